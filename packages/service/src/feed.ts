import { setTimeout as delay } from 'node:timers/promises'
import { AppError, type LaneName, laneSettings, lanes } from '@lockstep/contracts'
import {
  appendFeed,
  type FeedAppend,
  type FeedContent,
  type FeedCounts,
  type FeedEntry,
  type FeedVerdict,
  feedCounts,
  listDead,
  replayDead,
  settleFeed,
  type Tx,
  takeFeed,
} from '@lockstep/database'
import { bind, connect, type Served, type TlsFiles } from '@lockstep/rpc'
import { type Entry, FeedDefinition, type Verdict } from '@lockstep/rpc/gen/feed'
import { gauge } from '@lockstep/telemetry'
import type { BaseContext } from './context.ts'
import { ringDue } from './sweep.ts'

/** Where a lane's worker takes entries from and settles them: its own rows, or another service's by gRPC. */
export interface FeedSource {
  /** Due entries in id order; fewer than a lane's usual take where `limits` say so. */
  take(lane: LaneName, key: string, limits?: TakeLimits): Promise<{ entries: FeedEntry[]; nextDueMs: number | null }>
  settle(lane: LaneName, key: string, verdicts: FeedVerdict[]): Promise<void>
  /** Rings every key of the lane that has due entries. */
  ring(lane: LaneName, signal?: AbortSignal): Promise<void>
}

export interface TakeLimits {
  maxEntries: number
  maxBytes: number
}

/** What a producer adds to its feed. */
export interface FeedOptions {
  /** Where content stands that isn't in the entry. */
  content?: FeedContent
  /** Notes outcomes in the producer's own rows, in the transaction that settles the entries. */
  onSettle?: (tx: Tx, verdicts: FeedVerdict[], lane: LaneName, key: string) => Promise<void>
  /** Notes that dead entries were opened again. */
  onReplay?: (tx: Tx, ids: string[]) => Promise<void>
}

/** Opens work in the transaction that makes it true, and rings the lane once that has committed. */
export async function feed(ctx: Pick<BaseContext, 'messaging'>, tx: Tx, entry: FeedAppend): Promise<void> {
  await appendFeed(tx, entry)
  tx.afterCommit(() => ctx.messaging.ring(entry.lane, entry.key))
}

const usualTake: TakeLimits = { maxEntries: laneSettings.takeEntries, maxBytes: laneSettings.takeBytes }
/** A lane with ten thousand due keys is rung within this. */
const ringTimeoutMs = 60_000

/** The feed in this service's own rows. */
export function localFeed(ctx: BaseContext, options: FeedOptions = {}): FeedSource {
  return {
    take: (lane, key, { maxEntries, maxBytes } = usualTake) =>
      ctx.db.system((tx) => takeFeed(tx, lane, key, maxEntries, maxBytes, options.content)),
    settle: (lane, key, verdicts) =>
      ctx.db.system(async (tx) => {
        await options.onSettle?.(tx, verdicts, lane, key)
        await settleFeed(tx, lane, key, verdicts, laneSettings.retryMs * ctx.scale)
      }),
    ring: async (lane, signal) => void (await ringDue(ctx, lane, signal)),
  }
}

/** The feed of another service. */
export function remoteFeed(address: string, tls: TlsFiles | null): FeedSource & Disposable {
  const client = connect(FeedDefinition, address, tls ?? undefined)
  return {
    take: async (lane, key, limits = usualTake) => {
      const answer = await client.take({ subscriber: lane, key, ...limits }, {})
      return { entries: answer.entries.map(fromProto), nextDueMs: answer.nextDueMs ?? null }
    },
    settle: async (lane, key, verdicts) => {
      await client.finish({ subscriber: lane, key, verdicts: verdicts.map(verdictToProto) }, {})
    },
    ring: async (lane, signal) => void (await client.ring({ subscriber: lane }, { signal, timeoutMs: ringTimeoutMs })),
    [Symbol.dispose]: () => client[Symbol.dispose](),
  }
}

/** Serves this service's feed to the workers of its lanes, and lists and replays what is dead. */
export function feedService(ctx: BaseContext, source: FeedSource, options: FeedOptions = {}): Served {
  return bind(
    FeedDefinition,
    ctx,
    {
      take: async (_ctx, request) => {
        const { entries, nextDueMs } = await source.take(laneOf(request.subscriber), request.key, {
          maxEntries: Math.min(request.maxEntries || usualTake.maxEntries, usualTake.maxEntries),
          maxBytes: Math.min(request.maxBytes || usualTake.maxBytes, usualTake.maxBytes),
        })
        return { entries: entries.map(toProto), nextDueMs: nextDueMs ?? undefined }
      },
      finish: async (_ctx, request) => {
        await source.settle(laneOf(request.subscriber), request.key, request.verdicts.flatMap(verdictFromProto))
        return {}
      },
      ring: async (_ctx, request, call) => ({ rung: await ringDue(ctx, laneOf(request.subscriber), call.signal) }),
      listDead: async (_ctx, request) => {
        const dead = await ctx.db.system((tx) => listDead(tx, request.subscriber, Math.min(request.limit || 100, 1_000), options.content))
        return { entries: dead.map((d) => ({ entry: toProto(d.entry), subscriber: d.lane, key: d.key, reason: d.reason })) }
      },
      replay: async (_ctx, request) => {
        const opened = await ctx.db.system(async (tx) => {
          const rows = await replayDead(tx, request.subscriber, request.ids)
          await options.onReplay?.(
            tx,
            rows.map((row) => row.id),
          )
          return rows
        })
        for (const { lane, key } of opened) ctx.messaging.ring(lane, key)
        return { replayed: opened.length }
      },
    },
    { operator: ['take', 'finish', 'ring', 'listDead', 'replay'] },
  )
}

function laneOf(subscriber: string): LaneName {
  if (!Object.hasOwn(lanes, subscriber)) throw new AppError('invalid', `There is no lane "${subscriber.slice(0, 64)}"`)
  return subscriber as LaneName
}

/** A scrape waits this long for the feed's figures, then goes without them. */
const readTimeoutMs = 1_000

/** Open, dead and oldest entries of this service's feed, at /metrics. */
export function measureFeed(ctx: BaseContext): Disposable {
  let reading: Promise<FeedCounts[]> | undefined
  const counts = () => {
    reading ??= ctx.db.system(feedCounts).finally(() => {
      reading = undefined // the three gauges of one scrape share a reading
    })
    // A PostgreSQL that doesn't answer must not take all other figures along.
    return Promise.race([reading, delay(readTimeoutMs, [], { ref: false })])
  }
  const stack = new DisposableStack()
  const measure = (name: string, description: string, figure: (count: FeedCounts) => number) => {
    const read = async () => (await counts()).map((c) => ({ value: figure(c), labels: { lane: c.lane, service: ctx.config.service } }))
    stack.use(gauge(name, description, read))
  }
  measure('lockstep_feed_open', 'Open feed entries', (count) => count.open)
  measure('lockstep_feed_dead', 'Dead feed entries', (count) => count.dead)
  measure('lockstep_feed_oldest_seconds', 'Age of the oldest open feed entry', (count) => count.oldestSeconds)
  return stack
}

const toProto = (entry: FeedEntry): Entry => entry
const fromProto = (entry: Entry): FeedEntry => ({
  ...entry,
  body: Buffer.from(entry.body.buffer, entry.body.byteOffset, entry.body.length),
})

function verdictToProto(verdict: FeedVerdict): Verdict {
  if ('outcome' in verdict) return { id: verdict.id, verdict: { $case: 'outcome', outcome: verdict.outcome }, note: verdict.note ?? '' }
  if ('laterMs' in verdict) return { id: verdict.id, verdict: { $case: 'laterMs', laterMs: Math.round(verdict.laterMs) }, note: '' }
  return { id: verdict.id, verdict: { $case: 'failure', failure: verdict.failure }, note: '' }
}

function verdictFromProto({ id, verdict, note }: Verdict): FeedVerdict[] {
  if (verdict?.$case === 'outcome') return [{ id, outcome: verdict.outcome, ...(note && { note }) }]
  if (verdict?.$case === 'laterMs') return [{ id, laterMs: verdict.laterMs }]
  if (verdict?.$case === 'failure') return [{ id, failure: verdict.failure }]
  return []
}
