import type { LaneName } from '@lockstep/contracts'
import { query, queryOne, sql, type Tx } from '@lockstep/database'
import type { ConnectionInterval } from '@lockstep/rpc/gen/accounts'
import type { Keys } from '../app.ts'
import { openEntries } from './entries.ts'
import type { OpenedParts } from './reopen.ts'
import { countResults } from './results.ts'

/** What is claimed, for whom, and as of when. */
export interface Claim extends Keys {
  appId: string
  accountId: string
  at: Date
  /** Who had the numbers and WABAs since the oldest part was received. */
  intervals: ConnectionInterval[]
}

/** One slice of a claim. */
export interface ClaimedSlice {
  opened: OpenedParts[]
  /** Parts that were looked at; fewer than a slice: there are no more. */
  parts: number
  /** The next slice begins after this one, by id. */
  lastId: string
}

/** One slice holds at most so many parts. */
export const maxClaimed = 500

const ofKeys = ({ phoneNumberIds, wabaIds }: Keys) =>
  sql`((r.lane = 'webhooks.message' and r.key = any(${phoneNumberIds})) or (r.lane in ('webhooks.template', 'webhooks.account') and r.key = any(${wabaIds})))`

/** Those of the numbers and WABAs of which an app has unclaimed parts. */
export async function unclaimedKeys(
  tx: Tx,
  appId: string,
  { phoneNumberIds, wabaIds }: Keys,
): Promise<Keys> {
  const row = await queryOne<Keys>(
    tx,
    sql`select array(select key from unnest(${phoneNumberIds}::text[]) k(key) where exists (select from webhook_part_results r
                where r.outcome = 'no_connection' and r.app_id = ${appId} and r.key = k.key and r.lane = 'webhooks.message')) as "phoneNumberIds",
               array(select key from unnest(${wabaIds}::text[]) k(key) where exists (select from webhook_part_results r
                where r.outcome = 'no_connection' and r.app_id = ${appId} and r.key = k.key and r.lane <> 'webhooks.message')) as "wabaIds"`,
  )
  return row!
}

/**
 * Opens unclaimed parts of numbers and WABAs that their app signed, a slice at a time in id order. Those that came while another
 * app's connection had the number or WABA, and none of this app, were never this app's: they are `wrong_app`.
 */
export async function claimSlice(tx: Tx, claim: Claim, afterId: string): Promise<ClaimedSlice> {
  const { appId, accountId, at, intervals } = claim
  const had = [
    ...intervals
      .filter((i) => claim.phoneNumberIds.includes(i.phoneNumberId))
      .map((i) => ({ ...i, isNumber: true, key: i.phoneNumberId })),
    ...intervals
      .filter((i) => claim.wabaIds.includes(i.wabaId))
      .map((i) => ({ ...i, isNumber: false, key: i.wabaId })),
  ]
  const covered = (byUs: boolean) =>
    sql`exists (select from had h where h.key = f.key and h.is_number = (f.lane = 'webhooks.message') and h.ours = ${byUs}
          and f.received_at >= h.since and (h.until is null or f.received_at < h.until))`
  const rows = await query<{
    lane: LaneName | null
    key: string
    parts: number
    lastId: string
    outcome: string | null
  }>(
    tx,
    sql`with had as materialized (
          select key, is_number, ours, to_timestamp(since / 1000) as since, to_timestamp(until / 1000) as until
          from unnest(${had.map((h) => h.key)}::text[], ${had.map((h) => h.isNumber)}::boolean[], ${had.map((h) => h.appId === appId)}::boolean[],
                      ${had.map((h) => h.connectedAtMs)}::float8[], ${had.map((h) => h.disconnectedAtMs ?? null)}::float8[])
                 h(key, is_number, ours, since, until)
        ), found as (
          select r.part_id, r.received_at, r.lane, r.key from webhook_part_results r
          where r.outcome = 'no_connection' and r.app_id = ${appId} and r.part_id > ${afterId}::bigint and ${ofKeys(claim)}
          order by r.part_id limit ${maxClaimed} for update
        ), judged as materialized (
          select f.*, ${covered(false)} and not ${covered(true)} as is_foreign from found f
        ), told as (
          update webhook_part_results r set outcome = 'wrong_app'
          from judged j where j.is_foreign and r.part_id = j.part_id and r.received_at = j.received_at
        ), gone as (
          delete from webhook_part_results r
          using judged j where not j.is_foreign and r.part_id = j.part_id and r.received_at = j.received_at
        ), claimed as (
          update webhook_parts p set outcome = case when j.is_foreign then 'wrong_app' end, reason = null,
            outcome_at = case when j.is_foreign then now() end, claimed_at = case when j.is_foreign then p.claimed_at else ${at} end
          from judged j where p.id = j.part_id and p.received_at = j.received_at and p.outcome = 'no_connection'
          returning p.id, p.lane, p.key, p.received_at, p.field, p.elements, p.outcome, coalesce(length(p.content),
            (select length(b.raw) from webhook_bodies b where b.id = p.body_id and b.received_at = p.received_at)) as bytes
        ), counts as (${countResults(sql`claimed`, sql`'no_connection'`)}
        ), opened as (${openEntries(sql`(select *, '' as kind, ${accountId}::uuid as account_id from claimed where outcome is null) c`)} returning lane, key
        )
        select lane, key, count(*)::int as parts, '' as "lastId" from opened group by 1, 2
        union all
        select null, '', count(*)::int, coalesce(max(part_id), 0)::text from judged`,
  )
  const slice = rows.find(({ lane }) => lane === null)!
  const opened = rows.flatMap(({ lane, key, parts }) =>
    lane === null ? [] : [{ lane, key, parts }],
  )
  return { opened, parts: slice.parts, lastId: slice.lastId }
}

const newestLookedAt = 10_000

/** Apps of the newest parts without effect: a process that was killed may have stored such without looking whose they became. */
export async function appsWithoutEffect(tx: Tx): Promise<string[]> {
  const rows = await query<{ id: string }>(
    tx,
    sql`select distinct app_id as id
        from (select app_id, outcome from webhook_part_results order by part_id desc limit ${newestLookedAt}) r where outcome = 'no_connection'`,
  )
  return rows.map(({ id }) => id)
}
