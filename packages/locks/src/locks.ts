import { setTimeout as pause } from 'node:timers/promises'
import {
  AppError,
  type Liveness,
  type LockName,
  lockOrder,
  locks as table,
} from '@lockstep/contracts'
import { LockBusy, type LockKey, LockUnavailable } from './errors.ts'
import { type Instance, keepInstance } from './instance.ts'
import { HeldLock, type Lock, type LockManager } from './lock.ts'
import { lockMetrics, single, type Tally } from './metrics.ts'
import { commandTimeoutMs, openRedis, type Redis, untilReady, type Warn } from './redis.ts'
import { type AcquireReply, acquire, type Request, release } from './scripts.ts'

interface HoldOptions {
  /** By default 2 s (scaled) when the rows of all its keys say `wait`, else 0. */
  waitMs?: number
  /** Ends the waiting; its reason is thrown. */
  signal?: AbortSignal
}

export interface Locks extends AsyncDisposable {
  /** The given id and a random part, so that a restarted process is another instance. */
  readonly instanceId: string
  /** How others know whether this process lives, and it of them; for packages/messaging. */
  readonly liveness: Liveness
  /** Acquires a lock. Throws `LockBusy` or `LockUnavailable`. */
  hold(name: LockName, id: string, options?: HoldOptions): Promise<Lock>
  /** Null at once when another holds it. Throws `LockUnavailable` when Redis is away. */
  tryHold(name: LockName, id: string): Promise<Lock | null>
  /** Acquires all keys or none, in one round trip. Throws like `hold`. */
  holdAll(keys: readonly LockKey[], options?: HoldOptions): Promise<Lock>
  /** The keys that this process holds now. */
  heldKeys(): string[]
}

export interface LocksOptions {
  /** From `openRedis`, or a URL: then the connection is opened and closed here. */
  redis: Redis | string
  instanceId: string
  /** Multiplies every time, for tests. */
  scale?: number
  onWarn?: Warn
}

/** Asked for again under the same owner, so that a lost reply cannot block it. */
interface Hold {
  request: Request
  wanted: readonly LockKey[]
  tally: Tally
  /** A request got no answer: it may still be carried out, even after this hold has given up. */
  doubtful: boolean
}

const defaultWaitMs = 2_000

const rank = (name: LockName): number => lockOrder.indexOf(table[name].of)

/** What holds need beside what a held lock does. */
interface Manager extends LockManager {
  scale: number
  /** An instance's id is drawn anew at each start, so nobody else has this owner. */
  nextOwner(): string
}

/** Starts whether Redis is there or not; disposing releases what is still held. */
export async function createLocks({
  redis: given,
  instanceId,
  scale = 1,
  onWarn = () => {},
}: LocksOptions): Promise<Locks> {
  const redis = typeof given === 'string' ? openRedis(given, { scale, onWarn }) : given
  const instance = await keepInstance(redis, instanceId, scale, onWarn)
  const closing = new AbortController()
  let holds = 0
  const manager: Manager = {
    redis,
    instance,
    scale,
    onWarn,
    nextOwner: () => `${instance.id}:${(holds++).toString(16)}`,
    releaseLater: (request) => void releaseLater(redis, request, scale, closing.signal),
  }
  return {
    instanceId: instance.id,
    liveness: instance.liveness,
    hold: (name, id, options) => holdAll(manager, [{ name, id }], options),
    holdAll: (keys, options) => holdAll(manager, keys, options),
    async tryHold(name, id) {
      try {
        return await holdAll(manager, [{ name, id }], { waitMs: 0 })
      } catch (error) {
        if (error instanceof LockBusy) return null
        throw error
      }
    },
    heldKeys: () => [...instance.locks].flatMap((lock) => lock.keys),
    async [Symbol.asyncDispose]() {
      await Promise.all([...instance.locks].map((lock) => lock.release()))
      closing.abort()
      await instance[Symbol.asyncDispose]()
      if (typeof given === 'string') redis.disconnect()
    },
  }
}

function prepare({ scale, nextOwner }: Manager, keysGiven: readonly LockKey[]): Hold {
  const { wanted, keys } = inOrder(keysGiven)
  const ttlsMs = wanted.map(({ name }) => Math.round(table[name].ttlMs * scale))
  const request = { owner: nextOwner(), keys, ttlsMs }
  return { request, wanted, tally: tallyOf(wanted), doubtful: false }
}

async function holdAll(
  manager: Manager,
  keys: readonly LockKey[],
  { waitMs, signal }: HoldOptions = {},
): Promise<Lock> {
  const { scale } = manager
  const hold = prepare(manager, keys)
  const from = performance.now()
  const waits = hold.wanted.every(({ name }) => table[name].whenBusy === 'wait')
  const boundMs = waitMs ?? (waits ? defaultWaitMs * scale : 0)
  try {
    for (let round = 0; ; round++) {
      signal?.throwIfAborted()
      const result = await attempt(manager, hold)
      const waitedMs = performance.now() - from
      if (!('held' in result)) {
        lockMetrics.wait(hold.tally, waitedMs)
        return result
      }
      if (waitedMs >= boundMs) throw refusal(hold, result, boundMs)
      const ms = Math.min(pollMs(round, scale), boundMs - waitedMs)
      await pause(ms, undefined, { signal }).catch(() => signal?.throwIfAborted())
    }
  } catch (error) {
    if (hold.doubtful) manager.releaseLater(hold.request)
    throw error
  }
}

async function attempt(
  manager: Manager,
  hold: Hold,
): Promise<Lock | Extract<AcquireReply, { held: false }>> {
  const { redis, instance, scale, onWarn } = manager
  for (;;) {
    const epoch = instance.epoch()
    const { reply, askedAt } = await ask(redis, instance, hold, scale)
    if (!reply.held) return reply
    if (!reply.instanceKnown) instance.wasGone(askedAt)
    // The instance key went missing between question and answer: perhaps the lock did too.
    if (reply.instanceKnown && epoch !== instance.epoch()) continue
    lockMetrics.acquired(hold.tally)
    if (reply.takenOver.length > 0) reportTakeOver(hold, reply.takenOver, onWarn)
    const { request, tally, doubtful } = hold
    return new HeldLock(manager, { request, tally, askedAt, doubtful })
  }
}

/** Asks once more under the same owner when the reply was lost. */
async function ask(
  redis: Redis,
  instance: Instance,
  hold: Hold,
  scale: number,
): Promise<{ reply: AcquireReply; askedAt: number }> {
  const sent = redis.status === 'ready'
  try {
    const askedAt = performance.now()
    return { reply: await acquire(redis, hold.request, instance), askedAt }
  } catch (error) {
    try {
      if (!sent) throw error
      hold.doubtful = true
      await untilReady(redis, 500 * scale)
      const askedAt = performance.now()
      return { reply: await acquire(redis, hold.request, instance), askedAt }
    } catch (cause) {
      lockMetrics.unavailable(hold.tally)
      throw new LockUnavailable(hold.wanted[0] as LockKey, cause)
    }
  }
}

/** Releases once more after Redis has answered: a lost request may still lie in a socket. */
async function releaseLater(
  redis: Redis,
  request: Request,
  scale: number,
  closing: AbortSignal,
): Promise<void> {
  const until = performance.now() + Math.max(...request.ttlsMs)
  for (let answered = 0; answered < 2 && performance.now() < until; ) {
    await untilReady(redis, until - performance.now())
      .then(() => release(redis, request))
      .then(() => answered++)
      .catch(() => undefined) // until the TTL has done it
    await pause(commandTimeoutMs(scale) / 2, undefined, { signal: closing, ref: false }).catch(
      () => undefined,
    )
    if (closing.aborted) return
  }
}

function refusal(
  { wanted }: Hold,
  { index, sinceMs }: Extract<AcquireReply, { held: false }>,
  boundMs: number,
): AppError {
  const refused = wanted[index] as LockKey
  lockMetrics[boundMs > 0 ? 'timeout' : 'busy'](single(refused.name))
  return new LockBusy(refused, sinceMs)
}

/** Most callers give keys in lock order; then nothing is sorted. */
function inOrder(given: readonly LockKey[]): {
  wanted: readonly LockKey[]
  keys: readonly string[]
} {
  if (given.length === 0)
    throw new AppError('internal', 'holdAll was given no keys; give at least one')
  const keys = given.map(keyText)
  let i = 1
  while (i < given.length && comesBefore(given[i - 1]!, keys[i - 1]!, given[i]!, keys[i]!)) i++
  if (i === given.length) return { wanted: given, keys }
  const unique = [...new Map(given.map((key, i) => [keys[i]!, key]))]
  unique.sort(([a, x], [b, y]) => (comesBefore(x, a, y, b) ? -1 : 1))
  return { wanted: unique.map(([, key]) => key), keys: unique.map(([text]) => text) }
}

function comesBefore(x: LockKey, xText: string, y: LockKey, yText: string): boolean {
  return x.name === y.name
    ? xText < yText
    : rank(x.name) - rank(y.name) < 0 || (rank(x.name) === rank(y.name) && xText < yText)
}

function keyText({ name, id }: LockKey): string {
  return table[name].key(id)
}

function tallyOf(keys: readonly LockKey[]): Tally {
  if (keys.length === 1) return single(keys[0]!.name)
  const tally = new Map<LockName, number>()
  for (let from = 0, to = 0; from < keys.length; from = to) {
    const { name } = keys[from]!
    while (to < keys.length && keys[to]!.name === name) to++
    tally.set(name, (tally.get(name) ?? 0) + to - from)
  }
  return tally
}

function reportTakeOver({ request, wanted }: Hold, indexes: readonly number[], onWarn: Warn): void {
  lockMetrics.takenOver(tallyOf(indexes.map((index) => wanted[index] as LockKey)))
  onWarn('Locks of a dead process were taken over', {
    keys: indexes.map((index) => request.keys[index]),
    owner: request.owner,
  })
}

/** From 10 ms, growing to 100 ms, with jitter. */
function pollMs(round: number, scale: number): number {
  return Math.max(
    2,
    Math.min(100, 10 * 1.5 ** Math.min(round, 10)) * scale * (0.5 + Math.random() / 2),
  )
}
