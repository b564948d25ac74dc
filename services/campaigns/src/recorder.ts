import { setTimeout as delay } from 'node:timers/promises'
import { sqlState } from '@lockstep/database'
import type { OutcomeChange } from './attempt.ts'
import type { Context } from './context.ts'
import { type AttemptChange, changesOf, recordChanges } from './recording.ts'

/** What a call to Meta meant for an attempt. */
export type Outcome = AttemptChange & { change: OutcomeChange }

/** Writes outcomes of one campaign in groups: one transaction at a time takes all that has come in since the last. */
export interface Recorder {
  /** Resolves when the outcome is committed; waits out a database that is away, for what Meta answered must not be lost. */
  record(outcome: Outcome): Promise<void>
}

export function createRecorder(ctx: Context, accountId: string, campaignId: string): Recorder {
  let waiting: { outcome: Outcome; done: () => void }[] = []
  let flushing = false

  async function flush(): Promise<void> {
    flushing = true
    while (waiting.length > 0) {
      const group = waiting
      waiting = []
      await commit(group.map((item) => item.outcome))
      for (const { done } of group) done()
    }
    flushing = false
  }

  /** Ends only when they are committed, or when the service ends without: then they become unknown. */
  async function commit(outcomes: Outcome[], arePlain = false): Promise<void> {
    for (let waitMs = 50; !ctx.closing.signal.aborted; waitMs = Math.min(waitMs * 2, 2_000)) {
      try {
        await ctx.db.transaction(accountId, (tx) => recordChanges(ctx, tx, changesOf(accountId, campaignId, outcomes)))
        return
      } catch (error) {
        ctx.log.error({ err: error, campaignId, outcomes: outcomes.length }, 'Outcomes could not be written yet; trying again')
        // What PostgreSQL refuses to store costs its neighbours nothing; of itself the outcome is kept.
        if (refusesContent(error) && !arePlain) {
          if (outcomes.length === 1) return commit(outcomes.map(plain), true)
          for (const outcome of outcomes) await commit([outcome])
          return
        }
        await delay(waitMs, undefined, { signal: ctx.closing.signal }).catch(() => undefined)
      }
    }
  }

  return {
    record: (outcome) =>
      new Promise((done) => {
        waiting.push({ outcome, done })
        if (!flushing) void flush()
      }),
  }
}

/** Data exceptions and broken constraints (SQLSTATE classes 22 and 23): this content is refused, and would be again. */
const refusesContent = (error: unknown): boolean => /^2[23]/.test(sqlState(error) ?? '')

/** An outcome without what Meta put into it. */
const plain = ({ attemptId, change: { kind, at, notBefore } }: Outcome): Outcome => ({
  attemptId,
  change: { kind, at, ...(notBefore && { notBefore }) },
})
