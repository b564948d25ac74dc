import type { LaneName } from '@lockstep/contracts'
import type { Lease } from '@lockstep/messaging'
import { counter, type Logger } from '@lockstep/telemetry'
import type { FeedEntry, Settlement } from './entry.ts'
import type { EntryResult } from './handler.ts'
import { type Trouble, troubleOf } from './trouble.ts'

const failedEntries = counter(
  'lockstep_job_failures_total',
  'Entries whose handler failed; after three tries an entry is dead',
)
const halvedSets = counter(
  'lockstep_lane_sets_halved_total',
  'Sets that failed as a whole and were handled in halves, by trouble',
)

/** What handling a set needs. */
export interface SetWork {
  lane: LaneName
  log: Logger
  lease: Lease
  handle(entries: FeedEntry[]): Promise<EntryResult[]>
  /** When a set of this lane last succeeded, on the monotonic clock. */
  lastSuccess: { at: number }
}

export interface SetResult {
  /** What is known of the entries; those that aren't mentioned stay as they are. */
  settlements: Settlement[]
  /** Something is away: the rest waits, and no try of it is counted. */
  blockedBy?: { error: unknown }
}

/** A set that fails is halved down to the entry to blame; what failed before is alone. */
export async function handleEntries(work: SetWork, entries: FeedEntry[]): Promise<SetResult> {
  const settlements: Settlement[] = []
  try {
    for (const entry of entries)
      if (entry.attempts > 0) await handleHalf(work, [entry], settlements)
    await handleHalf(
      work,
      entries.filter((entry) => entry.attempts === 0),
      settlements,
    )
    return { settlements }
  } catch (error) {
    return { settlements, blockedBy: { error } }
  }
}

/** Adds to the settlements; throws what isn't the entries' fault. */
async function handleHalf(
  work: SetWork,
  entries: FeedEntry[],
  settlements: Settlement[],
): Promise<void> {
  if (entries.length === 0 || !work.lease.isHeld()) return
  const startedAt = performance.now()
  try {
    const results = new Map((await work.handle(entries)).map((result) => [result.id, result]))
    settlements.push(...entries.map((entry) => settlementOf(entry, results.get(entry.id))))
    work.lastSuccess.at = performance.now()
  } catch (error) {
    const trouble = troubleOf(error)
    if (trouble === 'away') throw error
    if (entries.length === 1)
      return void settlements.push(blame(work, entries[0]!, error, trouble, startedAt))
    halvedSets(1, { lane: work.lane, trouble })
    const middle = Math.ceil(entries.length / 2)
    await handleHalf(work, entries.slice(0, middle), settlements)
    await handleHalf(work, entries.slice(middle), settlements)
  }
}

/** An entry that the handler did not mention is done. */
function settlementOf({ id, key }: FeedEntry, result: EntryResult | undefined): Settlement {
  if (result && 'laterMs' in result) return { id, key, laterMs: result.laterMs }
  return { outcome: 'done', ...result, id, key }
}

/** Counts a try; throws where everything is too slow, for then it is not this entry. */
function blame(
  { lane, log, lastSuccess }: SetWork,
  entry: FeedEntry,
  error: unknown,
  trouble: Trouble,
  startedAt: number,
): Settlement {
  if (trouble === 'too_slow' && lastSuccess.at < startedAt) throw error
  failedEntries(1, { lane })
  const { id, key, attempts } = entry
  log.error({ err: error, lane, key, entry: id, attempts: attempts + 1 }, 'A feed entry failed')
  return {
    id,
    key,
    failure: (error instanceof Error ? error.message : String(error)).slice(0, 500),
  }
}
