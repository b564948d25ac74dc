import { setTimeout as delay } from 'node:timers/promises'
import type { Peers } from '@lockstep/rpc'
import type { Connection, ConnectionInterval } from '@lockstep/rpc/gen/accounts'
import type { BaseContext } from '@lockstep/service'
import type { App, Keys } from './app.ts'
import { claimSlice, maxClaimed, unclaimedKeys } from './db/claims.ts'
import { countClaimed } from './metrics.ts'

type Needs = Pick<BaseContext, 'db' | 'log' | 'messaging' | 'now' | 'scale'> & {
  peers: Peers<'accounts'>
}

/** Claims for connections in the background: whatever this process stored for their numbers while it did not know of them. */
export interface Claims extends AsyncDisposable {
  claim(app: Pick<App, 'id' | 'accountId'>, keys: Keys): void
}

/** Parts are kept for 7 days, and what stands at the door's clock is a little off. */
export const lookBackMs = 9 * 86_400_000
/** As many numbers and WABAs as one question to accounts may name. */
const maxKeys = 500
const retryMs = 1_000

export interface ClaimOptions {
  /** A claim is never as of a time before it. */
  connectedAtMs?: number
  /** The app had the number and WABA in this interval only: what it signed since counts as its last moment. */
  former?: ConnectionInterval
  /** So many slices at most; the next claim goes on. */
  maxSlices?: number
  signal?: AbortSignal | undefined
}

/**
 * Opens what was received for numbers and WABAs before anybody had them, if the app signed it; answers how many parts, and whether
 * that is all. What is cut off has claimed a part of it, and the next goes on.
 */
export async function claimParts(
  ctx: Needs,
  app: { id: string; accountId: string },
  keys: Keys,
  { connectedAtMs = 0, former, maxSlices = Number.POSITIVE_INFINITY, signal }: ClaimOptions = {},
): Promise<{ claimed: number; isAll: boolean }> {
  const { phoneNumberIds, wabaIds } = await ctx.db.system((tx) => unclaimedKeys(tx, app.id, keys))
  if (phoneNumberIds.length + wabaIds.length === 0) return { claimed: 0, isAll: true }
  const untilMs = Math.max(ctx.now(), connectedAtMs)
  const asked = {
    phoneNumberIds: [...phoneNumberIds],
    wabaIds: [...wabaIds],
    fromMs: untilMs - lookBackMs,
    untilMs,
  }
  const { intervals } = await ctx.peers.accounts.resolveConnections(asked, { signal })
  const live = former
    ? [former]
    : intervals.filter((i) => i.appId === app.id && i.disconnectedAtMs === undefined)
  if (live.length === 0) return { claimed: 0, isAll: true }
  // The consumer asks whose they are at this time; never one before the connection's own, by whatever clock that was set.
  const at = new Date(
    former ? former.disconnectedAtMs! - 1 : Math.max(untilMs, ...live.map((i) => i.connectedAtMs)),
  )
  const liveKeys = {
    phoneNumberIds: live.map((i) => i.phoneNumberId),
    wabaIds: live.map((i) => i.wabaId),
  }
  const claim = {
    appId: app.id,
    accountId: app.accountId,
    at,
    intervals,
    ...both(liveKeys, { phoneNumberIds, wabaIds }),
  }
  let claimed = 0
  let isAll = false
  for (let [slices, lastId] = [0, '0']; !isAll && slices < maxSlices; slices++) {
    signal?.throwIfAborted()
    const slice = await ctx.db.system((tx) => claimSlice(tx, claim, lastId))
    for (const { lane, key } of slice.opened) ctx.messaging.wake(lane, key)
    const opened = slice.opened.reduce((sum, { parts }) => sum + parts, 0)
    countClaimed(opened)
    claimed += opened
    lastId = slice.lastId
    isAll = slice.parts < maxClaimed
  }
  if (claimed > 0)
    ctx.log.info({ accountId: app.accountId, appId: app.id, claimed }, 'webhook parts are claimed')
  return { claimed, isAll }
}

/**
 * Opens what was received for a connection's number and WABA while nobody had them: signed by its app, or by one that it was bound
 * to before, for Meta goes on delivering by that one.
 */
export async function claimForConnection(
  ctx: Needs,
  connection: Connection,
  options: Pick<ClaimOptions, 'maxSlices' | 'signal'> = {},
): Promise<{ claimed: number; isAll: boolean }> {
  const { accountId, appId, phoneNumberId, wabaId, connectedAtMs } = connection
  const keys = { phoneNumberIds: [phoneNumberId], wabaIds: [wabaId] }
  const all = [await claimParts(ctx, { id: appId, accountId }, keys, { ...options, connectedAtMs })]
  for (const former of await formerIntervals(ctx, connection, options.signal))
    all.push(
      await claimParts(
        ctx,
        { id: former.appId, accountId },
        { ...keys, wabaIds: [former.wabaId] },
        { ...options, former },
      ),
    )
  return {
    claimed: all.reduce((sum, { claimed }) => sum + claimed, 0),
    isAll: all.every(({ isAll }) => isAll),
  }
}

/** The last interval of each other app that a connection was bound to, as far back as parts are kept. */
async function formerIntervals(
  ctx: Needs,
  { id, appId, phoneNumberId, connectedAtMs: untilMs }: Connection,
  signal?: AbortSignal,
): Promise<ConnectionInterval[]> {
  const asked = { phoneNumberIds: [phoneNumberId], fromMs: untilMs - lookBackMs, untilMs }
  const { intervals } = await ctx.peers.accounts.resolveConnections(asked, {
    ...(signal && { signal }),
  })
  const ended = intervals.filter(
    (i) => i.id === id && i.appId !== appId && i.disconnectedAtMs !== undefined,
  )
  return [...new Map(ended.map((interval) => [interval.appId, interval])).values()]
}

const both = (a: Keys, b: Keys): Keys => ({
  phoneNumberIds: b.phoneNumberIds.filter((id) => a.phoneNumberIds.includes(id)),
  wabaIds: b.wabaIds.filter((id) => a.wabaIds.includes(id)),
})

interface Waiting {
  accountId: string
  phoneNumberIds: Set<string>
  wabaIds: Set<string>
}

/** One app after the other; what fails waits a second and is tried again. */
export function openClaims(ctx: Needs): Claims {
  const waiting = new Map<string, Waiting>()
  const stop = new AbortController()
  const { signal } = stop
  let running: Promise<void> | undefined

  function add(
    id: string,
    accountId: string,
    keys: { phoneNumberIds: Iterable<string>; wabaIds: Iterable<string> },
  ): void {
    const its = waiting.get(id) ?? { accountId, phoneNumberIds: new Set(), wabaIds: new Set() }
    for (const key of keys.phoneNumberIds) its.phoneNumberIds.add(key)
    for (const key of keys.wabaIds) its.wabaIds.add(key)
    waiting.set(id, its)
  }

  async function run(): Promise<void> {
    for (const [id, its] of waiting) {
      if (signal.aborted) break
      waiting.delete(id)
      try {
        for (const keys of chunks(its))
          await claimParts(ctx, { id, accountId: its.accountId }, keys, { signal })
      } catch (err) {
        if (signal.aborted) break
        add(id, its.accountId, its)
        ctx.log.warn({ err, appId: id }, 'webhook parts could not be claimed; it is tried again')
        await delay(retryMs * ctx.scale, undefined, { signal }).catch(() => undefined)
      }
    }
    running = undefined
  }

  return {
    claim({ id, accountId }, keys) {
      add(id, accountId, keys)
      running ??= Promise.resolve().then(run)
    },
    async [Symbol.asyncDispose]() {
      stop.abort()
      await running
    },
  }
}

function* chunks({ phoneNumberIds, wabaIds }: Waiting): Iterable<Keys> {
  const numbers = [...phoneNumberIds]
  const wabas = [...wabaIds]
  for (let i = 0; i < Math.max(numbers.length, wabas.length); i += maxKeys)
    yield { phoneNumberIds: numbers.slice(i, i + maxKeys), wabaIds: wabas.slice(i, i + maxKeys) }
}
