import { metaConsentVias } from '@lockstep/contracts'
import { query, rowset, sql, type Tx } from '@lockstep/database'
import { counter } from '@lockstep/telemetry'
import type { Consent } from '../consents/consent.ts'

const recorded = counter('lockstep_contacts_consents_total', 'Consents that were recorded')

const columns = {
  contactId: 'uuid',
  kind: 'text',
  via: 'text',
  evidence: 'text',
  saidAt: 'timestamptz',
} as const

/** Records consents, unless they repeat, under all identities of their locked contacts. */
export async function insertConsents(tx: Tx, consents: readonly Consent[]): Promise<void> {
  if (consents.length === 0) return
  const added = await query<{ kind: string; via: string; contacts: number }>(
    tx,
    sql`with added as (
          insert into consents
            (account_id, namespace, match_key, contact_id, kind, via, evidence, said_at)
          select i.account_id, i.namespace, i.match_key, i.contact_id, v.kind, v.via, v.evidence,
            v.said_at
          from ${rowset(consents, columns)}
          cross join lateral (
            select * from identities where contact_id = v.contact_id offset 0) i
          order by i.account_id, i.namespace, i.match_key, v.kind, v.via, v.said_at, v.evidence
          on conflict do nothing returning contact_id, kind, via)
        select kind, via, count(distinct contact_id)::int as contacts
        from added group by kind, via`,
  )
  tx.afterCommit(() => {
    for (const { kind, via, contacts } of added) recorded(contacts, { kind, via })
  })
}

/**
 * How far our clock may be ahead of Meta's: without it a stop in answer to an opt-in could be lost.
 */
const clockMargin = sql`interval '60 seconds'`
const byMeta = sql`k.via = any(${metaConsentVias}::text[])`
const latestOf = (kind: string) => sql`max(k.said_at) filter (where k.kind = ${kind})`

/**
 * Derives `opted_out` and `blocked` of locked contacts: their latest consent counts, a tie means
 * stop.
 */
export async function deriveFlags(tx: Tx, contactIds: Iterable<string>): Promise<void> {
  const ids = [...new Set(contactIds)]
  if (ids.length === 0) return
  await sql`update contacts c
    set opted_out = f.opted_out, blocked = f.blocked, updated_at = now()
    from (select v.id,
            coalesce(${latestOf('opt_out')} >= coalesce(${latestOf('opt_in')}, '-infinity')
              or max(k.said_at) filter (where k.kind = 'opt_out' and ${byMeta})
                >= coalesce(max(case when ${byMeta} then k.said_at
                                else k.said_at - ${clockMargin} end)
                              filter (where k.kind = 'opt_in'), '-infinity'), false) as opted_out,
            coalesce(${latestOf('block')} >= coalesce(${latestOf('unblock')}, '-infinity'), false)
              as blocked
          from unnest(${ids}::uuid[]) v(id)
            cross join lateral (select * from identities where contact_id = v.id offset 0) i
            left join lateral (
              select kind, via, said_at from consents
              where account_id = i.account_id and namespace = i.namespace
                and match_key = i.match_key offset 0) k on true
          group by v.id) f
    where c.id = f.id
      and (c.opted_out, c.blocked) is distinct from (f.opted_out, f.blocked)`.execute(tx.sql)
}
