import type { LaneName } from '@lockstep/contracts'
import { query, queryOne, sql, type Tx } from '@lockstep/database'

/** A part that has had no effect and may hold a stop: of the lane webhooks.message, or a campaign's with a refusal. */
export interface Unheard {
  lane: LaneName
  key: string
  receivedAtMs: number
}

/** Of open and dead parts. */
export interface HearingRow {
  oldest: Unheard | null
  dead: Unheard | null
  deadParts: number
  hasEarlier: boolean
}

/** A connection that wants to send. */
export interface Sender {
  accountId: string
  phoneNumberId: string
  /** Of the account, by which the number is or was connected. */
  appIds: string[]
  connectedAt: Date
}

const maxDead = 100
/** So many open parts from before a connection are looked at; if there are more, the number's are taken to be among them. */
const maxEarlier = 1_000
/** So many unclaimed parts are looked at, from the oldest day on. */
const maxUnclaimed = 1_000

/** Written as in the condition of the indexes, or they would not be used. */
const mayStop = sql`(lane = 'webhooks.message' or kind = 'refusal')`

const receivedAtMs = (column: string) =>
  sql.raw(`round(extract(epoch from ${column}) * 1000)::float8`)

/** What is open or dead of an account's numbers, and whether a number's parts from before its connection wait: all as of one moment. */
export async function hearingOf(
  tx: Tx,
  { accountId, phoneNumberId, appIds, connectedAt }: Sender,
): Promise<HearingRow> {
  const row = await queryOne<HearingRow>(
    tx,
    sql`with oldest as (
          select lane, key, created_at from feed_open where ${mayStop} and account_id = ${accountId} order by created_at limit 1
        ), earlier as materialized (
          select key from feed_open where lane = 'webhooks.message' and account_id = ${accountId} and created_at < ${connectedAt}
          order by created_at limit ${maxEarlier}
        ), unclaimed as (
          select u.received_at from unnest(${appIds}::uuid[]) a(id)
          cross join lateral (
            select r.received_at from webhook_part_results r
            where r.outcome = 'no_connection' and r.app_id = a.id and r.key = ${phoneNumberId} and r.lane = 'webhooks.message'
            order by r.part_id limit 1) u
          where u.received_at < ${connectedAt}
        ), dead as materialized (
          select lane, key, created_at from feed_dead where ${mayStop} and account_id = ${accountId} order by created_at limit ${maxDead}
        )
        select (select json_build_object('lane', lane, 'key', key, 'receivedAtMs', ${receivedAtMs('created_at')}) from oldest) as oldest,
               (select json_build_object('lane', lane, 'key', key, 'receivedAtMs', ${receivedAtMs('created_at')}) from dead order by created_at limit 1) as dead,
               (select count(*)::int from dead) as "deadParts",
               exists (select from earlier where key = ${phoneNumberId}) or (select count(*) from earlier) = ${maxEarlier}
                 or exists (select from unclaimed) as "hasEarlier"`,
  )
  return row!
}

/** The oldest unclaimed part of some of an app's numbers; undefined for none. */
export async function oldestUnclaimed(
  tx: Tx,
  appId: string,
  phoneNumberIds: string[],
): Promise<Unheard | undefined> {
  const [oldest] = await query<Unheard>(
    tx,
    sql`select lane, key, ${receivedAtMs('received_at')} as "receivedAtMs"
        from (select r.lane, r.key, r.received_at from webhook_part_results r
              where r.outcome = 'no_connection' and r.app_id = ${appId} and r.key = any(${phoneNumberIds}::text[]) and r.lane = 'webhooks.message'
              limit ${maxUnclaimed}) found
        order by received_at limit 1`,
  )
  return oldest
}
