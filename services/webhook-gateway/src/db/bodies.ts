import { type Database, type RawBuilder, sql } from '@lockstep/database'
import type { NewPart, SignedBody } from '../parts/split-body.ts'
import { openEntries, refusalKind } from './feed-entries.ts'
import { countResults, writeResults } from './part-results.ts'

export interface NewBody extends SignedBody {
  id: string
  /** The account of the app that signed it. */
  accountId: string | null
  parts: NewPart[]
}

/**
 * Stores bodies with their parts, and opens entries for those that wait in a lane: all or nothing,
 * by one statement.
 */
export async function insertBodies(db: Database, bodies: NewBody[]): Promise<void> {
  const raw = joined(bodies.map((body) => body.raw))
  const insertRaw = sql`, bodies as (
      insert into webhook_bodies (id, app_id, received_at, raw)
      select id, app_id, to_timestamp(ms / 1000),
             substring(${raw.bytes}::bytea from start for bytes)
      from unnest(${raw.starts}::integer[]) with ordinality r(start, n) join given using (n)
    )`
  await db.statement(insertParts(bodies, insertRaw))
}

/**
 * Inserts the parts of bodies, and an entry for each that waits. `also` is a further part of the
 * statement, after the parts: everybody locks parts before bodies.
 */
export function insertParts(
  bodies: NewBody[],
  also: RawBuilder<unknown> = sql``,
): RawBuilder<unknown> {
  const parts = bodies.flatMap((body, i) => body.parts.map((part) => ({ ...part, body: i + 1 })))
  const hasOutcome = parts.some(({ outcome }) => outcome !== null)
  const refusals = parts.filter(({ hasRefusal }) => hasRefusal)
  const kind = refusals.length > 0 ? kindOf(refusals) : sql`''`
  const waiting = sql`(
    select p.id, p.lane, p.key, ${kind} as kind, b.account_id,
           coalesce(p.bytes, b.bytes) as bytes, p.received_at
    from parts p join given b on b.id = p.body_id
    where p.lane is not null and p.outcome is null) waiting`
  return sql`
    with given as (${givenBodies(bodies)}), parts as (
      insert into webhook_parts (body_id, app_id, received_at, lane, key, field, elements, content,
        outcome, reason, outcome_at)
      ${givenParts(parts)}
      returning id, body_id, app_id, received_at, lane, key, field, elements, outcome,
        length(content) as bytes
    ), counts as (${countResults(sql`parts`)}
    )${hasOutcome ? sql`, results as (${writeResults(sql`parts`)})` : sql``}${also}
    ${openEntries(waiting)}`
}

const givenBodies = (bodies: NewBody[]) => sql`
  select * from unnest(
    ${bodies.map((b) => b.id)}::uuid[], ${bodies.map((b) => b.appId)}::uuid[],
    ${bodies.map((b) => b.accountId)}::uuid[], ${bodies.map((b) => b.receivedAtMs)}::float8[],
    ${bodies.map((b) => b.raw.length)}::integer[])
    with ordinality b(id, app_id, account_id, ms, bytes, n)`

/** Parts with the number of their body, from 1. */
function givenParts(parts: (NewPart & { body: number })[]): RawBuilder<unknown> {
  const content = joined(parts.map((part) => part.content))
  return sql`
    select b.id, b.app_id, to_timestamp(b.ms / 1000), p.lane, p.key, p.field, p.elements,
           substring(${content.bytes}::bytea from p.start for p.bytes), p.outcome, p.reason,
           case when p.outcome is not null then now() end
    from unnest(
      ${parts.map((p) => p.body)}::bigint[], ${parts.map((p) => p.lane)}::text[],
      ${parts.map((p) => p.key)}::text[], ${parts.map((p) => p.field)}::text[],
      ${parts.map((p) => p.elements)}::integer[], ${content.starts}::integer[],
      ${parts.map((p) => p.content?.length ?? null)}::integer[],
      ${parts.map((p) => p.outcome)}::text[], ${parts.map((p) => p.reason)}::text[])
      with ordinality p(body, lane, key, field, elements, start, bytes, outcome, reason, n)
    join given b on b.n = p.body
    order by p.n`
}

/** The kind of a part's entry: parts of one lane and key of a body have the same. */
function kindOf(
  refusals: { body: number; lane: string | null; key: string | null }[],
): RawBuilder<unknown> {
  return sql`case when exists (
    select from unnest(${refusals.map((p) => p.body)}::bigint[],
                       ${refusals.map((p) => p.lane)}::text[],
                       ${refusals.map((p) => p.key)}::text[]) r(body, lane, key)
    where r.body = b.n and r.lane = p.lane and r.key = p.key)
    then ${refusalKind}::text else '' end`
}

/**
 * Many buffers as one binary parameter; an array of buffers would travel as text, two hex digits a
 * byte. A start counts from 1, and is null for no buffer.
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
