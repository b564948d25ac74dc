import { setTimeout as delay } from 'node:timers/promises'
import { gauge } from '@lockstep/telemetry'
import type { FeedContext } from './context.ts'
import { type FeedCounts, feedCounts } from './due.ts'
import { producedLanes } from './sweeper.ts'

/** A scrape waits this long for the feed's figures, then goes without them. */
const readTimeoutMs = 1_000

/** Open, dead and oldest entries of this service's feed, at /metrics. */
export function measureFeed(ctx: FeedContext): Disposable {
  const lanes = producedLanes(ctx)
  let reading: Promise<FeedCounts[]> | undefined
  const counts = () => {
    reading ??= ctx.db
      .system((tx) => feedCounts(tx, lanes))
      .finally(() => {
        reading = undefined // the three gauges of one scrape share a reading
      })
    // A PostgreSQL that doesn't answer must not take all other figures along.
    return Promise.race([reading, delay(readTimeoutMs, [], { ref: false })])
  }
  const stack = new DisposableStack()
  const measure = (name: string, description: string, figure: (count: FeedCounts) => number) => {
    const read = async () =>
      (await counts()).map((c) => ({
        value: figure(c),
        labels: { lane: c.lane, service: ctx.config.service },
      }))
    stack.use(gauge(name, description, read))
  }
  measure('lockstep_feed_open', 'Open feed entries, counted up to 10000', (count) => count.open)
  measure('lockstep_feed_dead', 'Dead feed entries, counted up to 10000', (count) => count.dead)
  measure(
    'lockstep_feed_oldest_seconds',
    'Age of the oldest of the open feed entries that were counted',
    (count) => count.oldestSeconds,
  )
  return stack
}
