import { type LaneName, laneSettings, slotOf } from '@lockstep/contracts'
import { type Database, query, type RawBuilder, sql, type Tx } from '@lockstep/database'
import type { DismissedEntry, FeedContent, ReopenedEntry, Settlement } from '@lockstep/feeds'
import type { NewPart, SignedBody } from '../parts.ts'
import { openEntries, refusalKind } from './entries.ts'
import { countResults, noteResults } from './results.ts'

export interface NewBody extends SignedBody {
  id: string
  /** Whose app signed it. */
  accountId: string | null
  parts: NewPart[]
}

/** Stores bodies with their parts, and opens a feed entry for each part that waits in a lane, in the order given: all or nothing, by one statement. */
export async function insertBodies(db: Database, bodies: NewBody[]): Promise<void> {
  const raw = joined(bodies.map((body) => body.raw))
  const insertRaw = sql`, bodies as (
      insert into webhook_bodies (id, app_id, received_at, raw)
      select id, app_id, to_timestamp(ms / 1000), substring(${raw.bytes}::bytea from start for bytes)
      from unnest(${raw.starts}::integer[]) with ordinality r(start, n) join given using (n)
    )`
  await db.statement(insertParts(bodies, insertRaw))
}

/**
 * Inserts the parts of bodies, and a feed entry for each part that waits. `also` is what else the same statement does: it stands
 * after the parts, for everybody locks parts before bodies.
 */
export function insertParts(
  bodies: NewBody[],
  also: RawBuilder<unknown> = sql``,
): RawBuilder<unknown> {
  const parts = bodies.flatMap((body, i) => body.parts.map((part) => ({ ...part, body: i + 1 })))
  const content = joined(parts.map((part) => part.content))
  const withResults = parts.some(({ outcome }) => outcome !== null)
  const refusals = parts.filter(({ hasRefusal }) => hasRefusal)
  return sql`
    with given as (
      select * from unnest(${bodies.map((b) => b.id)}::uuid[], ${bodies.map((b) => b.appId)}::uuid[], ${bodies.map((b) => b.accountId)}::uuid[],
                           ${bodies.map((b) => b.receivedAtMs)}::float8[], ${bodies.map((b) => b.raw.length)}::integer[])
                    with ordinality b(id, app_id, account_id, ms, bytes, n)
    ), parts as (
      insert into webhook_parts (body_id, app_id, received_at, lane, key, field, elements, content, outcome, reason, outcome_at)
      select b.id, b.app_id, to_timestamp(b.ms / 1000), p.lane, p.key, p.field, p.elements,
             substring(${content.bytes}::bytea from p.start for p.bytes), p.outcome, p.reason, case when p.outcome is not null then now() end
      from unnest(${parts.map((p) => p.body)}::bigint[], ${parts.map((p) => p.lane)}::text[], ${parts.map((p) => p.key)}::text[],
                  ${parts.map((p) => p.field)}::text[], ${parts.map((p) => p.elements)}::integer[], ${content.starts}::integer[],
                  ${parts.map((p) => p.content?.length ?? null)}::integer[], ${parts.map((p) => p.outcome)}::text[],
                  ${parts.map((p) => p.reason)}::text[])
           with ordinality p(body, lane, key, field, elements, start, bytes, outcome, reason, n)
      join given b on b.n = p.body
      order by p.n
      returning id, body_id, app_id, received_at, lane, key, field, elements, outcome, length(content) as bytes
    ), counts as (${countResults(sql`parts`)})${withResults ? sql`, results as (${noteResults(sql`parts`)})` : sql``}${also}
    ${openEntries(sql`(select p.id, p.lane, p.key, ${refusals.length > 0 ? kindWhere(refusals) : sql`''`} as kind, b.account_id, coalesce(p.bytes, b.bytes) as bytes, p.received_at
      from parts p join given b on b.id = p.body_id where p.lane is not null and p.outcome is null) waiting`)}`
}

/** The kind of a part's entry: parts of one lane and key of a body have it together. */
function kindWhere(
  refusals: { body: number; lane: string | null; key: string | null }[],
): RawBuilder<unknown> {
  return sql`case when exists (
    select from unnest(${refusals.map((p) => p.body)}::bigint[], ${refusals.map((p) => p.lane)}::text[], ${refusals.map((p) => p.key)}::text[])
      r(body, lane, key) where r.body = b.n and r.lane = p.lane and r.key = p.key) then ${refusalKind}::text else '' end`
}

/**
 * Many buffers as one parameter, which travels as it is; an array of buffers would travel as text, two hex digits a byte.
 * A start is where a buffer begins, counted from 1 as SQL does; null for none.
 */
function joined(buffers: (Buffer | null)[]): { bytes: Buffer; starts: (number | null)[] } {
  let next = 1
  const starts = buffers.map((buffer) => {
    const start = next
    next += buffer?.length ?? 0
    return buffer && start
  })
  return { bytes: Buffer.concat(buffers.filter((buffer) => buffer !== null)), starts }
}

/**
 * An entry's content: that of its part, or the whole body. Its time is the part's, which names the partitions of both; whose
 * the part is, is asked as of its receipt or of a later claim. What waits longer than its day is kept carries its content.
 */
export const partContent: FeedContent = sql`
  select coalesce(p.content, (select b.raw from webhook_bodies b where b.id = p.body_id and b.received_at = p.received_at)) as content,
         p.app_id::text as app_id, p.claimed_at as as_of
  from webhook_parts p where f.body is null and p.id = f.row_id::bigint and p.received_at = f.created_at
  union all
  select k.content, k.app_id::text, k.claimed_at from webhook_parts_kept k where f.body is null and k.id = f.row_id::bigint`

export interface SettledParts {
  outcome: string
  field: string | null
  parts: number
  /** Of those that nobody had when they were received, and that were never claimed since. */
  unclaimed: { appId: string; lane: LaneName; key: string } | null
}

/**
 * Notes outcomes on the parts of entries that `settleFeed` is about to settle, by its rules: entries that are gone are passed
 * over, a failure counts while the entry is due, and after the last one it is dead. A part is only ever changed under its
 * entry's row lock, which is taken in the order of the primary key.
 */
export function settleParts(
  tx: Tx,
  lane: string,
  settlements: readonly Settlement[],
): Promise<SettledParts[]> {
  const outcomes = settlements.map((v) => ('outcome' in v ? v.outcome : null))
  const reasons = settlements.map((v) =>
    'failure' in v ? v.failure : 'outcome' in v ? (v.note ?? null) : null,
  )
  const ended = (table: RawBuilder<unknown>, ofDay: RawBuilder<unknown>) => sql`
    update ${table} p set outcome = e.outcome, reason = e.reason, outcome_at = now()
    from ended e where p.id = e.part_id ${ofDay}
    returning p.id, p.received_at, p.app_id, p.lane, p.key, p.outcome, p.field, p.elements, p.claimed_at`
  return query(
    tx,
    sql`with ended as (
          select f.row_id::bigint as part_id, f.created_at, coalesce(v.outcome, 'dead') as outcome, v.reason
          from unnest(${settlements.map((v) => v.id)}::bigint[], ${settlements.map((v) => slotOf(v.key))}::int[], ${settlements.map((v) => v.key)}::text[],
                      ${outcomes}::text[], ${reasons}::text[]) v(id, slot, key, outcome, reason)
          join feed_open f on f.lane = ${lane} and f.slot = v.slot and f.key = v.key and f.id = v.id
          where v.outcome is not null or (v.reason is not null and (f.not_before is null or f.not_before <= now())
                                          and f.attempts + 1 >= ${laneSettings.maxTries})
          order by f.slot, f.key, f.id for update of f
        ), changed as (${ended(sql`webhook_parts`, sql`and p.received_at = e.created_at`)}),
        kept as (${ended(sql`webhook_parts_kept`, sql``)}),
        results as (${noteResults(sql`changed`)}),
        counts as (${countResults(sql`changed`, sql`'open'`)})
        select outcome, field, count(*)::int as parts, unclaimed::json as unclaimed
        from (select outcome, field, case when outcome = 'no_connection' and claimed_at is null
                then json_build_object('appId', app_id, 'lane', lane, 'key', key)::text end as unclaimed
              from (select * from changed union all select * from kept) c) s
        group by 1, 2, s.unclaimed`,
  )
}

/** Parts of dead entries that were opened again have no outcome any more. */
export async function reopenParts(tx: Tx, reopened: readonly ReopenedEntry[]): Promise<void> {
  const open = (table: RawBuilder<unknown>, ofDay: RawBuilder<unknown>) => sql`
    update ${table} p set outcome = null, reason = null, outcome_at = null
    from unnest(${reopened.map((r) => r.lane)}::text[], ${reopened.map((r) => slotOf(r.key))}::int[], ${reopened.map((r) => r.key)}::text[],
                ${reopened.map((r) => r.id)}::bigint[]) v(lane, slot, key, id)
    join feed_open f on f.lane = v.lane and f.slot = v.slot and f.key = v.key and f.id = v.id
    where p.id = f.row_id::bigint ${ofDay}
    returning p.id, p.received_at, p.outcome, p.field, p.elements`
  await sql`with changed as (${open(sql`webhook_parts`, sql`and p.received_at = f.created_at`)}),
      kept as (${open(sql`webhook_parts_kept`, sql``)}),
      results as (delete from webhook_part_results r using changed c where r.part_id = c.id and r.received_at = c.received_at)
    ${countResults(sql`changed`, sql`'dead'`)}`.execute(tx.sql)
}

/** Parts of dead entries that were given up are `dismissed`; the reason why they were dead stays. */
export async function dismissParts(tx: Tx, dismissed: readonly DismissedEntry[]): Promise<void> {
  const give = (table: RawBuilder<unknown>, ofDay: RawBuilder<unknown>) => sql`
    update ${table} p set outcome = 'dismissed', outcome_at = now()
    from unnest(${dismissed.map((d) => d.rowId)}::bigint[], ${dismissed.map((d) => d.createdAt)}::timestamptz[]) v(part_id, created_at)
    where p.id = v.part_id and p.outcome = 'dead' ${ofDay}
    returning p.id, p.received_at, p.app_id, p.lane, p.key, p.outcome, p.field, p.elements`
  await sql`with changed as (${give(sql`webhook_parts`, sql`and p.received_at = v.created_at`)}),
      kept as (${give(sql`webhook_parts_kept`, sql``)}),
      results as (${noteResults(sql`changed`)})
    ${countResults(sql`changed`, sql`'dead'`)}`.execute(tx.sql)
}
