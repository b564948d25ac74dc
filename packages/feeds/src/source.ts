import { type LaneName, laneSettings } from '@lockstep/contracts'
import type { Tx } from '@lockstep/database'
import { connect, type TlsFiles } from '@lockstep/rpc'
import { FeedDefinition } from '@lockstep/rpc/gen/feed'
import type { FeedContext } from './context.ts'
import type { DismissedEntry, ReopenedEntry } from './dead-entries.ts'
import { type FeedAppend, type FeedContent, ownContent, type Settlement } from './entry.ts'
import { entryFromProto, settlementToProto } from './proto.ts'
import { settleFeed } from './settle.ts'
import { wakeDue } from './sweeper.ts'
import { appendFeed, type TakeOptions, type TakeResult, takeFeed } from './take.ts'

/** Where a worker takes entries: its own rows, or another service's by gRPC. */
export interface FeedSource {
  take(options: TakeOptions): Promise<TakeResult>
  settle(lane: LaneName, settlements: readonly Settlement[]): Promise<void>
  /** Wakes the workers of every partition of the lane that has due entries. */
  wake(lane: LaneName, signal?: AbortSignal): Promise<void>
}

/** What a producer adds to its feed. */
export interface FeedOptions {
  /** Where content stands that isn't in the entry. */
  content?: FeedContent
  /** Notes outcomes in the producer's rows, in the settling transaction and before it. */
  onSettle?: (tx: Tx, settlements: readonly Settlement[], lane: LaneName) => Promise<void>
  /** Notes that dead entries were opened again. */
  onReplay?: (tx: Tx, reopened: readonly ReopenedEntry[]) => Promise<void>
  /** Notes that dead entries were given up. */
  onDismiss?: (tx: Tx, dismissed: readonly DismissedEntry[], lane: LaneName) => Promise<void>
}

/** Opens work in the transaction that makes it true, and wakes its worker after the commit. */
export async function feed(
  ctx: Pick<FeedContext, 'messaging'>,
  tx: Tx,
  ...entries: FeedAppend[]
): Promise<void> {
  await appendFeed(tx, ...entries)
  const keys = new Map(entries.map(({ lane, key }) => [`${lane} ${key}`, { lane, key }]))
  tx.afterCommit(() => {
    for (const { lane, key } of keys.values()) ctx.messaging.wake(lane, key)
  })
}

/** The feed in this service's own rows. */
export function localFeed(
  ctx: FeedContext,
  { content = ownContent, onSettle }: FeedOptions = {},
): FeedSource {
  return {
    take: (options) => ctx.db.system((tx) => takeFeed(tx, options, content)),
    settle: (lane, settlements) =>
      ctx.db.system(async (tx) => {
        await onSettle?.(tx, settlements, lane)
        await settleFeed(tx, lane, settlements, {
          retryMs: laneSettings.retryMs * ctx.scale,
          content,
        })
      }),
    wake: async (lane, signal) => void (await wakeDue(ctx, lane, signal)),
  }
}

/** A lane with thousands of due keys is woken within this. */
const wakeTimeoutMs = 60_000

/** The feed of another service. */
export function remoteFeed(address: string, tls: TlsFiles | null): FeedSource & Disposable {
  const client = connect(FeedDefinition, address, tls ?? undefined)
  return {
    take: async ({ partitions, exceptKeys = [], exceptAccounts = [], ...bounds }) => {
      const lists = {
        partitions: [...partitions],
        exceptKeys: [...exceptKeys],
        exceptAccounts: [...exceptAccounts],
      }
      const { entries, more, nextDueMs } = await client.take({ ...bounds, ...lists }, {})
      return { entries: entries.map(entryFromProto), more, nextDueMs: nextDueMs ?? null }
    },
    settle: async (lane, settlements) =>
      void (await client.settle({ lane, settlements: settlements.map(settlementToProto) }, {})),
    wake: async (lane, signal) =>
      void (await client.wake({ lane }, { signal, timeoutMs: wakeTimeoutMs })),
    [Symbol.dispose]: () => client[Symbol.dispose](),
  }
}
