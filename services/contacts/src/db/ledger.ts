import { metaConsentVias } from '@lockstep/contracts'
import { query, sql, type Tx } from '@lockstep/database'
import { counter } from '@lockstep/telemetry'
import type { Statement } from '../consent.ts'
import { rowset } from './rowset.ts'

const recorded = counter('lockstep_contacts_consents_total', 'Entries added to the consent ledger')

/**
 * Adds statements to the ledger under every identity of their contacts, which the caller has locked; what is there already adds
 * nothing. `deriveFlags` makes them count.
 */
export async function recordStatements(tx: Tx, statements: Statement[]): Promise<void> {
  if (statements.length === 0) return
  const rows = statements.map((s) => ({
    contact_id: s.contactId,
    kind: s.kind,
    via: s.via,
    evidence: s.evidence,
    said_at: s.saidAt,
  }))
  const added = await query<{ kind: string; via: string; contacts: number }>(
    tx,
    sql`with added as (
          insert into consents (account_id, namespace, match_key, contact_id, kind, via, evidence, said_at)
          select i.account_id, i.namespace, i.match_key, i.contact_id, v.kind, v.via, v.evidence, v.said_at
          from ${rowset(rows, 'contact_id uuid, kind text, via text, evidence text, said_at timestamptz')}
          cross join lateral (select * from identities where contact_id = v.contact_id offset 0) i
          order by i.account_id, i.namespace, i.match_key, v.kind, v.via, v.said_at, v.evidence
          on conflict do nothing returning contact_id, kind, via)
        select kind, via, count(distinct contact_id)::int as contacts from added group by kind, via`,
  )
  tx.afterCommit(() => {
    for (const { kind, via, contacts } of added) recorded(contacts, { kind, via })
  })
}

/**
 * How far our clock may be ahead of Meta's, whose times are whole seconds besides: an opt-in by our clock takes back no stop by
 * Meta's that is newer than this before it. Without the margin a stop in answer to an opt-in could be lost.
 */
const clockMargin = sql`interval '60 seconds'`
const byMeta = sql`k.via = any(${metaConsentVias}::text[])`

/**
 * Derives `opted_out` and `blocked` of contacts, which the caller has locked, from what was said under any of their identities:
 * the latest word wins, a tie means stop, and between an opt-in by our clock and a stop by Meta's a minute is a tie.
 */
export async function deriveFlags(tx: Tx, contactIds: Iterable<string>): Promise<void> {
  const ids = [...new Set(contactIds)]
  if (ids.length === 0) return
  await sql`update contacts c set opted_out = f.opted_out, blocked = f.blocked, updated_at = now()
    from (select v.id,
            coalesce(max(k.said_at) filter (where k.kind = 'opt_out')
              >= coalesce(max(k.said_at) filter (where k.kind = 'opt_in'), '-infinity')
            or max(k.said_at) filter (where k.kind = 'opt_out' and ${byMeta})
              >= coalesce(max(case when ${byMeta} then k.said_at else k.said_at - ${clockMargin} end) filter (where k.kind = 'opt_in'),
                          '-infinity'), false) as opted_out,
            coalesce(max(k.said_at) filter (where k.kind = 'block')
              >= coalesce(max(k.said_at) filter (where k.kind = 'unblock'), '-infinity'), false) as blocked
          from unnest(${ids}::uuid[]) v(id)
            cross join lateral (select * from identities where contact_id = v.id offset 0) i
            left join lateral (
              select kind, via, said_at from consents
              where account_id = i.account_id and namespace = i.namespace and match_key = i.match_key offset 0) k on true
          group by v.id) f
    where c.id = f.id and (c.opted_out, c.blocked) is distinct from (f.opted_out, f.blocked)`.execute(
    tx.sql,
  )
}
