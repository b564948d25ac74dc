import { laneSettings, slotOf } from '@lockstep/contracts'
import { type Database, query, type RawBuilder, sql, type Tx } from '@lockstep/database'
import type { FeedContent, FeedVerdict, Reopened } from '@lockstep/feeds'
import type { Part, PartCount } from '@lockstep/rpc/gen/webhook_gateway'
import type { NewPart, SignedBody } from '../parts.ts'

export interface NewBody extends SignedBody {
  id: string
  parts: NewPart[]
}

/** Stores bodies with their parts, and opens a feed entry for each part that has a lane, in the order given: all or nothing, by one statement. */
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
 * Inserts the parts of bodies, and a feed entry for each part that has a lane. `also` is what else the same statement does: it stands
 * after the parts, for everybody locks parts before bodies.
 */
export function insertParts(bodies: NewBody[], also: RawBuilder<unknown> = sql``): RawBuilder<unknown> {
  const parts = bodies.flatMap((body, i) => body.parts.map((part) => ({ ...part, body: i + 1 })))
  const content = joined(parts.map((part) => part.content))
  return sql`
    with given as (
      select * from unnest(${bodies.map((b) => b.id)}::uuid[], ${bodies.map((b) => b.appId)}::uuid[],
                           ${bodies.map((b) => b.receivedAtMs)}::float8[], ${bodies.map((b) => b.raw.length)}::integer[])
                    with ordinality b(id, app_id, ms, bytes, n)
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
      returning id, body_id, received_at, lane, key, length(content) as bytes
    )${also}
    insert into feed_open (lane, key, row_id, bytes, created_at)
    select p.lane, p.key, p.id::text, coalesce(p.bytes, b.bytes), p.received_at
    from parts p join given b on b.id = p.body_id where p.lane is not null order by p.id`
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
 * the part is, is asked as of its receipt or of a later claim.
 */
export const partContent: FeedContent = sql`
  select coalesce(p.content, (select b.raw from webhook_bodies b where b.id = p.body_id and b.received_at = p.received_at)) as content,
         p.app_id::text as app_id, p.claimed_at as as_of
  from webhook_parts p where f.body is null and p.id = f.row_id::bigint and p.received_at = f.created_at`

export interface SettledParts {
  outcome: string
  field: string | null
  parts: number
}

/**
 * Notes outcomes on the parts of entries that `settleFeed` is about to settle, by its rules: entries that are gone are passed
 * over, a failure counts while the entry is due, and after the last one it is dead. A part is only ever changed under its
 * entry's row lock, which is taken in the order of the primary key.
 */
export function settleParts(tx: Tx, lane: string, verdicts: readonly FeedVerdict[]): Promise<SettledParts[]> {
  const outcomes = verdicts.map((v) => ('outcome' in v ? v.outcome : null))
  const reasons = verdicts.map((v) => ('failure' in v ? v.failure : 'outcome' in v ? (v.note ?? null) : null))
  return query(
    tx,
    sql`with ended as (
          select f.row_id::bigint as part_id, f.created_at, coalesce(v.outcome, 'dead') as outcome, v.reason
          from unnest(${verdicts.map((v) => v.id)}::bigint[], ${verdicts.map((v) => slotOf(v.key))}::int[], ${verdicts.map((v) => v.key)}::text[],
                      ${outcomes}::text[], ${reasons}::text[]) v(id, slot, key, outcome, reason)
          join feed_open f on f.lane = ${lane} and f.slot = v.slot and f.key = v.key and f.id = v.id
          where v.outcome is not null or (v.reason is not null and (f.not_before is null or f.not_before <= now())
                                          and f.attempts + 1 >= ${laneSettings.maxTries})
          order by f.slot, f.key, f.id for update of f
        ), changed as (
          update webhook_parts p set outcome = e.outcome, reason = e.reason, outcome_at = now()
          from ended e where p.id = e.part_id and p.received_at = e.created_at
          returning p.outcome, p.field
        )
        select outcome, field, count(*)::int as parts from changed group by outcome, field`,
  )
}

/** Parts of dead entries that were opened again have no outcome any more. */
export async function reopenParts(tx: Tx, reopened: readonly Reopened[]): Promise<void> {
  await sql`update webhook_parts p set outcome = null, reason = null, outcome_at = null
    from unnest(${reopened.map((r) => r.lane)}::text[], ${reopened.map((r) => slotOf(r.key))}::int[], ${reopened.map((r) => r.key)}::text[],
                ${reopened.map((r) => r.id)}::bigint[]) v(lane, slot, key, id)
    join feed_open f on f.lane = v.lane and f.slot = v.slot and f.key = v.key and f.id = v.id
    where p.id = f.row_id::bigint and p.received_at = f.created_at`.execute(tx.sql)
}

/** Parts and elements by outcome and field. */
export function countsByOutcome(tx: Tx): Promise<PartCount[]> {
  return query(
    tx,
    sql`select coalesce(outcome, 'open') as outcome, coalesce(field, '') as field, count(*)::float8 as parts, sum(elements)::float8 as elements
        from webhook_parts group by 1, 2 order by 1, 2`,
  )
}

const maxListedBytes = 8 * 1024 * 1024

/** Parts with an outcome, or (none named) all that ended without effect, newest first; at most 8 MB, but always one. */
export function newestParts(tx: Tx, outcome: string, limit: number): Promise<Part[]> {
  const wanted = outcome === 'open' ? sql`p.outcome is null` : outcome ? sql`p.outcome = ${outcome}` : sql`p.outcome <> 'done'`
  return query(
    tx,
    sql`with newest as (
          select p.*, coalesce(p.content, b.raw) as bytes
          from (select * from webhook_parts p where ${wanted} order by id desc limit ${limit}) p
          left join webhook_bodies b on p.content is null and b.id = p.body_id and b.received_at = p.received_at
        )
        select id::text, body_id as "bodyId", app_id::text as "appId", coalesce(lane, '') as lane, coalesce(key, '') as key, coalesce(field, '') as field,
               coalesce(outcome, 'open') as outcome, coalesce(reason, '') as reason,
               (extract(epoch from received_at) * 1000)::float8 as "receivedAtMs", coalesce(bytes, '') as content
        from (select *, sum(length(bytes)) over (order by id desc) - length(bytes) as before from newest) n
        where before < ${maxListedBytes} or before is null order by n.id desc`,
  )
}
