import { type LaneKey, type WebhookLane, webhookLanesBy } from '@lockstep/contracts'
import { query, queryOne, type RawBuilder, rowset, sql, type Tx } from '@lockstep/database'
import type { ConnectionInterval } from '@lockstep/rpc/gen/accounts'
import type { Keys } from '../apps/app.ts'
import { openEntries } from './feed-entries.ts'
import { countResults } from './part-results.ts'
import type { OpenedParts } from './replay.ts'

/** What is adopted, for whom, and as of when. */
export interface Adoption extends Keys {
  appId: string
  accountId: string
  at: Date
  /** Who had the numbers and WABAs since the oldest part was received. */
  intervals: ConnectionInterval[]
}

/** One slice of an adoption. */
export interface AdoptedSlice {
  opened: OpenedParts[]
  /** Parts that were looked at; fewer than a slice: there are no more. */
  parts: number
  /** The next slice begins after this one, by id. */
  lastId: string
}

const lanesBy = (key: LaneKey) => sql.join(webhookLanesBy(key).map((lane) => sql.lit(lane)))
const ofNumbers = lanesBy('phone number id')
const ofWabas = lanesBy('WABA id')

/** One slice holds at most so many parts. */
export const maxAdopted = 500

/** Those of the numbers and WABAs of which an app has `no_connection` parts. */
export async function keysToAdopt(
  tx: Tx,
  appId: string,
  { phoneNumberIds, wabaIds }: Keys,
): Promise<Keys> {
  const withParts = (keys: readonly string[], ofLane: RawBuilder<unknown>) => sql`
    array(select key from unnest(${keys}::text[]) k(key) where exists (
      select from webhook_part_results r
      where r.outcome = 'no_connection' and r.app_id = ${appId} and r.key = k.key and ${ofLane}))`
  const row = await queryOne<Keys>(
    tx,
    sql`select ${withParts(phoneNumberIds, sql`r.lane in (${ofNumbers})`)} as "phoneNumberIds",
               ${withParts(wabaIds, sql`r.lane in (${ofWabas})`)} as "wabaIds"`,
  )
  return row!
}

/**
 * Opens `no_connection` parts of numbers and WABAs that their app signed, a slice at a time in id
 * order. A part that came while only another app's connection had the number or WABA becomes
 * `wrong_app`.
 */
export async function adoptSlice(
  tx: Tx,
  adoption: Adoption,
  afterId: string,
): Promise<AdoptedSlice> {
  const { accountId, at } = adoption
  const rows = await query<SliceRow>(
    tx,
    sql`with owners as materialized (${ownersOf(adoption)}
        ), found as (${partsToAdopt(adoption, afterId)}
        ), checked as materialized (
          select f.*, ${hadBy(false)} and not ${hadBy(true)} as is_wrong_app from found f
        ), wrong as (
          update webhook_part_results r set outcome = 'wrong_app' from checked c
          where c.is_wrong_app and r.part_id = c.part_id and r.received_at = c.received_at
        ), resolved as (
          delete from webhook_part_results r using checked c
          where not c.is_wrong_app and r.part_id = c.part_id and r.received_at = c.received_at
        ), changed as (
          update webhook_parts p
          set outcome = case when c.is_wrong_app then 'wrong_app' end, reason = null,
            outcome_at = case when c.is_wrong_app then now() end,
            adopted_at = case when c.is_wrong_app then p.adopted_at else ${at} end
          from checked c
          where p.id = c.part_id and p.received_at = c.received_at and p.outcome = 'no_connection'
          returning p.id, p.lane, p.key, p.received_at, p.field, p.elements, p.outcome,
            coalesce(length(p.content), (select length(b.raw) from webhook_bodies b
              where b.id = p.body_id and b.received_at = p.received_at)) as bytes
        ), counts as (${countResults(sql`changed`, sql`'no_connection'`)}
        ), opened as (
          ${openEntries(sql`(select *, '' as kind, ${accountId}::uuid as account_id from changed
                             where outcome is null) c`)} returning lane, key
        )
        select lane, key, count(*)::int as parts, '' as "lastId" from opened group by 1, 2
        union all
        select null, '', count(*)::int, coalesce(max(part_id), 0)::text from checked`,
  )
  const slice = rows.find(({ lane }) => lane === null)!
  const opened = rows.flatMap(({ lane, key, parts }) =>
    lane === null ? [] : [{ lane, key, parts }],
  )
  return { opened, parts: slice.parts, lastId: slice.lastId }
}

/** Opened parts by lane and key; the row without a lane is about the slice. */
interface SliceRow {
  lane: WebhookLane | null
  key: string
  parts: number
  lastId: string
}

/** When the app itself, and when others had each number or WABA. */
function ownersOf({ appId, phoneNumberIds, wabaIds, intervals }: Adoption): RawBuilder<unknown> {
  const row = (interval: ConnectionInterval, isNumber: boolean) => ({
    key: isNumber ? interval.phoneNumberId : interval.wabaId,
    isNumber,
    isOwnApp: interval.appId === appId,
    since: interval.connectedAtMs,
    until: interval.disconnectedAtMs,
  })
  const numbers = intervals.filter((each) => phoneNumberIds.includes(each.phoneNumberId))
  const wabas = intervals.filter((each) => wabaIds.includes(each.wabaId))
  const owners = [
    ...numbers.map((each) => row(each, true)),
    ...wabas.map((each) => row(each, false)),
  ]
  const columns = {
    key: 'text',
    isNumber: 'boolean',
    isOwnApp: 'boolean',
    since: 'float8',
    until: 'float8',
  } as const
  return sql`
    select key, is_number, is_own_app, to_timestamp(since / 1000) as since,
           to_timestamp(until / 1000) as until
    from ${rowset(owners, columns)}`
}

const partsToAdopt = (
  { appId, phoneNumberIds, wabaIds }: Adoption,
  afterId: string,
): RawBuilder<unknown> => sql`
  select r.part_id, r.received_at, r.lane, r.key from webhook_part_results r
  where r.outcome = 'no_connection' and r.app_id = ${appId} and r.part_id > ${afterId}::bigint
    and ((r.lane in (${ofNumbers}) and r.key = any(${phoneNumberIds}))
         or (r.lane in (${ofWabas}) and r.key = any(${wabaIds})))
  order by r.part_id limit ${maxAdopted} for update`

/** Whether the app itself, or another, had the number or WABA of `f` when it was received. */
const hadBy = (isOwnApp: boolean): RawBuilder<unknown> => sql`exists (
  select from owners o
  where o.key = f.key and o.is_number = (f.lane in (${ofNumbers})) and o.is_own_app = ${isOwnApp}
    and f.received_at >= o.since and (o.until is null or f.received_at < o.until))`

const maxSearched = 10_000

/** Apps with `no_connection` parts among the newest without effect. */
export async function appsToAdopt(tx: Tx): Promise<string[]> {
  const rows = await query<{ id: string }>(
    tx,
    sql`select distinct app_id as id
        from (select app_id, outcome from webhook_part_results
              order by part_id desc limit ${maxSearched}) r
        where outcome = 'no_connection'`,
  )
  return rows.map(({ id }) => id)
}
