import type { LaneName } from '@lockstep/contracts'
import { query, type RawBuilder, rowset, sql, type Tx } from '@lockstep/database'
import { keyHashOf } from '@lockstep/feeds'
import { insertParts, type NewBody } from './bodies.ts'
import { uncountResults } from './part-results.ts'

/** A lane's key with as many parts as were opened in it. */
export interface OpenedParts {
  lane: LaneName
  key: string
  parts: number
}

/** What names parts: all of it together, where it is given. */
export interface PartFilter {
  bodyIds: string[]
  partIds: string[]
  since: Date | null
  until: Date | null
  key: string
  outcome: string
  /** Parts before this one, by id. */
  beforePartId: string
}

/** Where a part is found: its body, in the table of its day. */
export interface PartPlace {
  id: string
  appId: string
  bodyId: string
  receivedAt: Date
}

/** One batch holds at most so many parts, and about as many bytes of bodies as one group commit. */
export const maxReplayed = 500
const maxReplayedBytes = 8 * 1024 * 1024

/**
 * The newest parts of one batch. The parts that a replay makes are newer, so that going on meets
 * none twice.
 */
export function partsToReplay(tx: Tx, filter: PartFilter): Promise<PartPlace[]> {
  return query(
    tx,
    sql`with fitting as (
          select id, app_id, body_id, received_at from webhook_parts
          where ${sql.join(conditionsOf(filter), sql` and `)} order by id desc limit ${maxReplayed}
        ), sized as (
          select p.*, sum(length(b.raw)) over (order by p.id desc) - length(b.raw) as before
          from fitting p
          join webhook_bodies b on b.id = p.body_id and b.received_at = p.received_at
        )
        select id::text, app_id as "appId", body_id as "bodyId", received_at as "receivedAt"
        from sized where before < ${maxReplayedBytes} order by sized.id desc`,
  )
}

function conditionsOf(filter: PartFilter): RawBuilder<unknown>[] {
  const { bodyIds, partIds, since, until, key, outcome, beforePartId } = filter
  return [
    ...(bodyIds.length > 0 ? [sql`body_id = any(${bodyIds}::uuid[])`, receivedWith(bodyIds)] : []),
    ...(partIds.length > 0 ? [sql`id = any(${partIds}::bigint[])`] : []),
    ...(since ? [sql`received_at >= ${since}`] : []),
    ...(until ? [sql`received_at < ${until}`] : []),
    ...(key ? [sql`key = ${key}`] : []),
    ...(outcome ? [outcomeIs(outcome)] : []),
    ...(beforePartId ? [sql`id < ${beforePartId}::bigint`] : []),
  ]
}

/** What had no effect is found by its result, the rest by looking. */
function outcomeIs(outcome: string): RawBuilder<unknown> {
  if (outcome === 'open') return sql`outcome is null`
  if (outcome === 'done') return sql`outcome = 'done'`
  return sql`outcome = ${outcome} and (id, received_at) in (
    select part_id, received_at from webhook_part_results where outcome = ${outcome})`
}

/** Times of receipt of bodies: parts have an index by them, and none by body. */
function receivedWith(bodyIds: string[]): RawBuilder<unknown> {
  return sql`received_at = any(array(
    select received_at from webhook_bodies where id = any(${bodyIds}::uuid[])))`
}

/** Bodies as they were received, in the order of their ids, locked against other replays. */
export async function lockBodies(
  tx: Tx,
  places: PartPlace[],
): Promise<Omit<NewBody, 'parts' | 'accountId'>[]> {
  return query(
    tx,
    sql`select id, app_id as "appId",
               round(extract(epoch from received_at) * 1000)::float8 as "receivedAtMs", raw
        from webhook_bodies where ${ofBodies(places, sql`id`)} order by id for update`,
  )
}

/**
 * Puts new parts in the place of those that the bodies have; a worker with an entry of an old one
 * settles nothing. Adoptions stay. Answers the lanes in which something is open now.
 */
export async function replaceParts(
  tx: Tx,
  places: PartPlace[],
  bodies: NewBody[],
): Promise<OpenedParts[]> {
  const isReplaced = ofBodies(places, sql`p.body_id`, sql`p.received_at`)
  await deleteEntries(tx, isReplaced)
  // Results before parts, as an adoption locks them.
  await query(
    tx,
    sql`delete from webhook_part_results r using webhook_parts p
        where r.part_id = p.id and r.received_at = p.received_at and ${isReplaced}`,
  )
  const deleted = await query<DeletedPart>(
    tx,
    sql`with deleted as (delete from webhook_parts p where ${isReplaced} returning *),
          counts as (${uncountResults(sql`deleted`)})
        select body_id as "bodyId", key, adopted_at as "adoptedAt" from deleted`,
  )
  await query(tx, insertParts(bodies))
  const adopted = deleted.filter((part) => part.adoptedAt !== null)
  if (adopted.length > 0) await restoreAdopts(tx, adopted, isReplaced)
  return query(
    tx,
    sql`select lane, key, count(*)::int as parts from webhook_parts p
        where ${isReplaced} and lane is not null and outcome is null
        group by lane, key order by lane, key`,
  )
}

interface DeletedPart {
  bodyId: string
  key: string
  adoptedAt: Date | null
}

/** Deletes the open and dead entries of parts. */
async function deleteEntries(tx: Tx, isReplaced: RawBuilder<unknown>): Promise<void> {
  await query(
    tx,
    sql`with entries as (
          select f.lane, f.key_hash, f.key, f.id from webhook_parts p
          join feed_open f on f.lane = p.lane and f.key_hash = ${keyHashOf('p.key')} and f.key = p.key
            and f.row_id = p.id::text
          where ${isReplaced} and p.outcome is null
          order by f.lane, f.key_hash, f.key, f.id for update of f
        ), open as (
          delete from feed_open f using entries e
          where f.lane = e.lane and f.key_hash = e.key_hash and f.key = e.key and f.id = e.id)
        delete from feed_dead f using webhook_parts p
        where ${isReplaced} and p.outcome = 'dead' and f.lane = p.lane and f.key = p.key
          and f.row_id = p.id::text`,
  )
}

async function restoreAdopts(
  tx: Tx,
  adopted: DeletedPart[],
  isReplaced: RawBuilder<unknown>,
): Promise<void> {
  const columns = { bodyId: 'uuid', key: 'text', adoptedAt: 'timestamptz' } as const
  await query(
    tx,
    sql`update webhook_parts p set adopted_at = c.adopted_at
        from (select body_id, key, max(adopted_at) as adopted_at from ${rowset(adopted, columns)}
              group by 1, 2) c
        where p.body_id = c.body_id and p.key = c.key and ${isReplaced}`,
  )
}

function ofBodies(
  places: PartPlace[],
  bodyId: RawBuilder<unknown>,
  receivedAt = sql`received_at`,
): RawBuilder<unknown> {
  const times = places.map((place) => place.receivedAt.getTime())
  const ids = [...new Set(places.map((place) => place.bodyId))]
  return sql`${bodyId} = any(${ids}::uuid[])
    and ${receivedAt} between ${new Date(Math.min(...times))} and ${new Date(Math.max(...times))}`
}
