import type { Peers } from '@lockstep/rpc'
import type { Connection, ConnectionInterval } from '@lockstep/rpc/gen/accounts'
import type { BaseContext } from '@lockstep/service'
import type { Keys } from '../apps/app.ts'
import { type Adoption, adoptSlice, keysToAdopt, maxAdopted } from '../db/adopt.ts'
import { countAdopted } from '../metrics.ts'

export type AdoptNeeds = Pick<BaseContext, 'db' | 'log' | 'messaging' | 'now'> & {
  peers: Peers<'accounts'>
}

/** Parts are kept for 7 days; the rest is for clocks that differ. */
export const lookBackMs = 9 * 86_400_000

export interface AdoptOptions {
  /** An adoption is never as of a time before it. */
  connectedAtMs?: number
  /**
   * The app had the number and WABA in this interval only: later parts count as of its last moment.
   */
  former?: ConnectionInterval
  /** At most so many slices; the next adoption continues. */
  maxSlices?: number
  signal?: AbortSignal | undefined
}

/** How many parts were adopted, and whether none are left. */
export interface Adopted {
  adopted: number
  isAll: boolean
}

/**
 * Opens the `no_connection` parts of numbers and WABAs that their app signed before anybody
 * connected them.
 */
export async function adoptParts(
  ctx: AdoptNeeds,
  app: { id: string; accountId: string },
  keys: Keys,
  options: AdoptOptions = {},
): Promise<Adopted> {
  const toAdopt = await ctx.db.system((tx) => keysToAdopt(tx, app.id, keys))
  if (toAdopt.phoneNumberIds.length + toAdopt.wabaIds.length === 0)
    return { adopted: 0, isAll: true }
  const adoption = await adoptOf(ctx, app, toAdopt, options)
  return adoption ? await adoptSlices(ctx, adoption, options) : { adopted: 0, isAll: true }
}

/** What may be adopted of these keys and as of when; null when the app has none of them. */
async function adoptOf(
  ctx: AdoptNeeds,
  app: { id: string; accountId: string },
  { phoneNumberIds, wabaIds }: Keys,
  { connectedAtMs = 0, former, signal }: AdoptOptions,
): Promise<Adoption | null> {
  const untilMs = Math.max(ctx.now(), connectedAtMs)
  const { intervals } = await ctx.peers.accounts.resolveConnections(
    {
      phoneNumberIds: [...phoneNumberIds],
      wabaIds: [...wabaIds],
      fromMs: untilMs - lookBackMs,
      untilMs,
    },
    { signal },
  )
  const live = former
    ? [former]
    : intervals.filter((each) => each.appId === app.id && each.disconnectedAtMs === undefined)
  if (live.length === 0) return null
  const numbers = new Set(live.map((each) => each.phoneNumberId))
  const wabas = new Set(live.map((each) => each.wabaId))
  // The worker resolves the connection at this time, which must not be before the connection's
  // own.
  const atMs = former
    ? former.disconnectedAtMs! - 1
    : Math.max(untilMs, ...live.map((each) => each.connectedAtMs))
  return {
    appId: app.id,
    accountId: app.accountId,
    at: new Date(atMs),
    intervals,
    phoneNumberIds: phoneNumberIds.filter((id) => numbers.has(id)),
    wabaIds: wabaIds.filter((id) => wabas.has(id)),
  }
}

async function adoptSlices(
  ctx: AdoptNeeds,
  adoption: Adoption,
  { maxSlices = Number.POSITIVE_INFINITY, signal }: AdoptOptions,
): Promise<Adopted> {
  const { accountId, appId } = adoption
  let adopted = 0
  let isAll = false
  for (let [slices, lastId] = [0, '0']; !isAll && slices < maxSlices; slices++) {
    signal?.throwIfAborted()
    const slice = await ctx.db.system((tx) => adoptSlice(tx, adoption, lastId))
    for (const { lane, key } of slice.opened) ctx.messaging.wake(lane, key)
    const opened = slice.opened.reduce((sum, { parts }) => sum + parts, 0)
    countAdopted(opened)
    adopted += opened
    lastId = slice.lastId
    isAll = slice.parts < maxAdopted
  }
  if (adopted > 0) ctx.log.info({ accountId, appId, adopted }, 'webhook parts are adopted')
  return { adopted, isAll }
}

/**
 * Opens what was received for a connection's number and WABA before they were connected: signed by
 * its app, or by one that it was bound to before, for Meta goes on delivering by that one.
 */
export async function adoptForConnection(
  ctx: AdoptNeeds,
  connection: Connection,
  options: Pick<AdoptOptions, 'maxSlices' | 'signal'> = {},
): Promise<Adopted> {
  const { accountId, appId, phoneNumberId, wabaId, connectedAtMs } = connection
  const keys = { phoneNumberIds: [phoneNumberId], wabaIds: [wabaId] }
  const all = [await adoptParts(ctx, { id: appId, accountId }, keys, { ...options, connectedAtMs })]
  for (const former of await formerIntervals(ctx, connection, options.signal)) {
    const formerKeys = { ...keys, wabaIds: [former.wabaId] }
    const app = { id: former.appId, accountId }
    all.push(await adoptParts(ctx, app, formerKeys, { ...options, former }))
  }
  return {
    adopted: all.reduce((sum, { adopted }) => sum + adopted, 0),
    isAll: all.every(({ isAll }) => isAll),
  }
}

/**
 * The last interval of each other app that a connection was bound to, as far back as parts are
 * kept.
 */
async function formerIntervals(
  ctx: AdoptNeeds,
  { id, appId, phoneNumberId, connectedAtMs: untilMs }: Connection,
  signal?: AbortSignal,
): Promise<ConnectionInterval[]> {
  const { intervals } = await ctx.peers.accounts.resolveConnections(
    { phoneNumberIds: [phoneNumberId], fromMs: untilMs - lookBackMs, untilMs },
    { ...(signal && { signal }) },
  )
  const ended = intervals.filter(
    (each) => each.id === id && each.appId !== appId && each.disconnectedAtMs !== undefined,
  )
  return [...new Map(ended.map((interval) => [interval.appId, interval])).values()]
}
