import type { LaneName } from '@lockstep/contracts'
import { query, queryOne, sql, type Tx } from '@lockstep/database'

/**
 * A part without effect that may hold a stop: of the lane webhooks.message, or a campaign's with a
 * refusal.
 */
export interface UnhandledRow {
  lane: LaneName
  key: string
  receivedAtMs: number
}

export interface UnhandledReplies {
  /** The oldest open part. */
  oldest: UnhandledRow | null
  /** The oldest dead part. */
  dead: UnhandledRow | null
  deadParts: number
  /** Whether parts of the number from before its connection have had no effect yet. */
  hasEarlier: boolean
}

/** A connection that wants to send. */
export interface SendingConnection {
  accountId: string
  phoneNumberId: string
  /** Of the account, by which the number is or was connected. */
  appIds: string[]
  connectedAt: Date
}

const maxDead = 100
/** At most so many open parts from before a connection are read; more count as the number's. */
const maxEarlier = 1_000
/** At most so many `no_connection` parts are read, from the oldest day on. */
const maxToAdopt = 1_000

/** Written as in the condition of the indexes, or they would not be used. */
const mayStop = sql`(lane = 'webhooks.message' or kind = 'refusal')`

const receivedAtMs = (column: string) =>
  sql.raw(`round(extract(epoch from ${column}) * 1000)::float8`)

const asJson = sql`json_build_object('lane', lane, 'key', key,
  'receivedAtMs', ${receivedAtMs('created_at')})`

/**
 * What is open or dead of an account, and of a number from before its connection: all as of one
 * moment.
 */
export async function unhandledRepliesOf(
  tx: Tx,
  sender: SendingConnection,
): Promise<UnhandledReplies> {
  const { accountId, connectedAt } = sender
  const row = await queryOne<UnhandledReplies>(
    tx,
    sql`with oldest as (
          select lane, key, created_at from feed_open
          where ${mayStop} and account_id = ${accountId} order by created_at limit 1
        ), earlier as materialized (
          select key from feed_open
          where lane = 'webhooks.message' and account_id = ${accountId}
            and created_at < ${connectedAt}
          order by created_at limit ${maxEarlier}
        ), to_adopt as (${earlierToAdopt(sender)}
        ), dead as materialized (
          select lane, key, created_at from feed_dead
          where ${mayStop} and account_id = ${accountId} order by created_at limit ${maxDead}
        )
        select (select ${asJson} from oldest) as oldest,
               (select ${asJson} from dead order by created_at limit 1) as dead,
               (select count(*)::int from dead) as "deadParts",
               exists (select from earlier where key = ${sender.phoneNumberId})
                 or (select count(*) from earlier) = ${maxEarlier}
                 or exists (select from to_adopt) as "hasEarlier"`,
  )
  return row!
}

/** Of each app the first `no_connection` part of the number from before its connection. */
const earlierToAdopt = ({ phoneNumberId, appIds, connectedAt }: SendingConnection) => sql`
  select u.received_at from unnest(${appIds}::uuid[]) a(id)
  cross join lateral (
    select r.received_at from webhook_part_results r
    where r.outcome = 'no_connection' and r.app_id = a.id and r.key = ${phoneNumberId}
      and r.lane = 'webhooks.message'
    order by r.part_id limit 1) u
  where u.received_at < ${connectedAt}`

/** The oldest `no_connection` part of some of an app's numbers; undefined for none. */
export async function oldestToAdopt(
  tx: Tx,
  appId: string,
  phoneNumberIds: string[],
): Promise<UnhandledRow | undefined> {
  const [oldest] = await query<UnhandledRow>(
    tx,
    sql`select lane, key, ${receivedAtMs('received_at')} as "receivedAtMs"
        from (select r.lane, r.key, r.received_at from webhook_part_results r
              where r.outcome = 'no_connection' and r.app_id = ${appId}
                and r.key = any(${phoneNumberIds}::text[]) and r.lane = 'webhooks.message'
              limit ${maxToAdopt}) found
        order by received_at limit 1`,
  )
  return oldest
}
