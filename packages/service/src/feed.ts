import { type LaneName, laneSettings, lanes } from '@lockstep/contracts'
import {
  appendFeed,
  dueKeys,
  type FeedAppend,
  type FeedContent,
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
import { every } from './every.ts'

/** Where a lane's worker takes entries from and settles them: its own rows, or another service's by gRPC. */
export interface FeedSource {
  take(lane: LaneName, key: string): Promise<{ entries: FeedEntry[]; nextDueMs: number | null }>
  settle(lane: LaneName, key: string, verdicts: FeedVerdict[]): Promise<void>
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

/** The feed in this service's own rows. */
export function localFeed(ctx: BaseContext, options: FeedOptions = {}): FeedSource {
  return {
    take: (lane, key) => ctx.db.system((tx) => takeFeed(tx, lane, key, laneSettings.takeEntries, laneSettings.takeBytes, options.content)),
    settle: (lane, key, verdicts) =>
      ctx.db.system(async (tx) => {
        await options.onSettle?.(tx, verdicts, lane, key)
        await settleFeed(tx, lane, key, verdicts)
      }),
  }
}

/** The feed of another service. */
export function remoteFeed(address: string, tls: TlsFiles | null): FeedSource & Disposable {
  const client = connect(FeedDefinition, address, tls ?? undefined)
  return {
    take: async (lane, key) => {
      const answer = await client.take(
        { subscriber: lane, key, maxEntries: laneSettings.takeEntries, maxBytes: laneSettings.takeBytes },
        {},
      )
      return { entries: answer.entries.map(fromProto), nextDueMs: answer.nextDueMs ?? null }
    },
    settle: async (lane, key, verdicts) => {
      await client.finish({ subscriber: lane, key, verdicts: verdicts.map(verdictToProto) }, {})
    },
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
        const { entries, nextDueMs } = await source.take(request.subscriber as LaneName, request.key)
        return { entries: entries.map(toProto), nextDueMs: nextDueMs ?? undefined }
      },
      finish: async (_ctx, request) => {
        await source.settle(request.subscriber as LaneName, request.key, request.verdicts.flatMap(verdictFromProto))
        return {}
      },
      listDead: async (_ctx, request) => {
        const dead = await ctx.db.system((tx) => listDead(tx, request.subscriber, request.limit || 100, options.content))
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
    { operator: ['take', 'finish', 'listDead', 'replay'] },
  )
}

const sweepKeys = 1_000

/**
 * Rings every key that has due entries, whatever NATS holds: a doorbell may have been lost. A key that stays due is rung
 * ever more rarely, up to once a minute.
 */
export function sweepFeed(ctx: BaseContext): AsyncDisposable {
  const known = new Map<string, { waitMs: number; ringAt: number }>()
  return every(ctx, 'sweep-feed', laneSettings.sweepEveryMs * ctx.scale, async () => {
    const due = await ctx.db.system((tx) => dueKeys(tx, sweepKeys))
    const still = new Set<string>()
    for (const { lane, key } of due) {
      if (!(lane in lanes)) continue
      const id = `${lane} ${key}`
      still.add(id)
      const seen = known.get(id)
      if (seen && ctx.now() < seen.ringAt) continue
      const waitMs = Math.min((seen?.waitMs ?? laneSettings.sweepEveryMs * ctx.scale * 0.5) * 2, laneSettings.sweepBackoffMs * ctx.scale)
      known.set(id, { waitMs, ringAt: ctx.now() + waitMs })
      ctx.messaging.ring(lane, key)
    }
    for (const id of known.keys()) if (!still.has(id)) known.delete(id)
  })
}

/** Open, dead and oldest entries of this service's feed, at /metrics. */
export function measureFeed(ctx: BaseContext): Disposable {
  const counts = () => ctx.db.system(feedCounts)
  const stack = new DisposableStack()
  const labels = (lane: string) => ({ lane, service: ctx.config.service })
  stack.use(
    gauge('lockstep_feed_open', 'Open feed entries', async () => (await counts()).map((c) => ({ value: c.open, labels: labels(c.lane) }))),
  )
  stack.use(
    gauge('lockstep_feed_dead', 'Dead feed entries', async () => (await counts()).map((c) => ({ value: c.dead, labels: labels(c.lane) }))),
  )
  stack.use(
    gauge('lockstep_feed_oldest_seconds', 'Age of the oldest open feed entry', async () =>
      (await counts()).map((c) => ({ value: c.oldestSeconds, labels: labels(c.lane) })),
    ),
  )
  return stack
}

const toProto = (entry: FeedEntry): Entry => entry
const fromProto = (entry: Entry): FeedEntry => ({
  ...entry,
  body: Buffer.from(entry.body.buffer, entry.body.byteOffset, entry.body.length),
})

function verdictToProto(verdict: FeedVerdict): Verdict {
  if ('outcome' in verdict) return { id: verdict.id, verdict: { $case: 'outcome', outcome: verdict.outcome } }
  if ('laterMs' in verdict) return { id: verdict.id, verdict: { $case: 'laterMs', laterMs: verdict.laterMs } }
  return { id: verdict.id, verdict: { $case: 'failure', failure: verdict.failure } }
}

function verdictFromProto({ id, verdict }: Verdict): FeedVerdict[] {
  if (verdict?.$case === 'outcome') return [{ id, outcome: verdict.outcome }]
  if (verdict?.$case === 'laterMs') return [{ id, laterMs: verdict.laterMs }]
  if (verdict?.$case === 'failure') return [{ id, failure: verdict.failure }]
  return []
}
