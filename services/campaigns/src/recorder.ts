import { setTimeout as delay } from 'node:timers/promises'
import { isInfrastructure } from '@lockstep/service'
import type { Context } from './context.ts'
import { type AttemptChange, recordChanges } from './recording.ts'

/** Writes outcomes of one campaign in groups: one transaction at a time takes all that has come in since the last. */
export interface Recorder {
  /** Resolves when the outcome is committed; waits out a database that is away, for what Meta answered must not be lost. */
  record(change: AttemptChange): Promise<void>
}

export function createRecorder(ctx: Context, accountId: string, campaignId: string): Recorder {
  let waiting: { change: AttemptChange; done: () => void }[] = []
  let flushing = false

  async function flush(): Promise<void> {
    flushing = true
    while (waiting.length > 0) {
      const group = waiting
      waiting = []
      await committed(group.map((item) => item.change))
      for (const { done } of group) done()
    }
    flushing = false
  }

  async function committed(changes: AttemptChange[]): Promise<void> {
    for (let waitMs = 50; ; waitMs = Math.min(waitMs * 2, 2_000)) {
      try {
        await ctx.db.transaction(accountId, (tx) => recordChanges(ctx, tx, campaignId, changes))
        return
      } catch (error) {
        ctx.log.error({ err: error, campaignId, outcomes: changes.length }, 'Outcomes could not be written yet; trying again')
        // What PostgreSQL refuses to store costs its neighbours nothing; of itself the outcome is kept.
        if (!isInfrastructure(error)) return each(changes)
        await delay(waitMs)
      }
    }
  }

  async function each(changes: AttemptChange[]): Promise<void> {
    if (changes.length > 1) for (const change of changes) await committed([change])
    else await committed(changes.map(plain))
  }

  return {
    record: (change) =>
      new Promise((done) => {
        waiting.push({ change, done })
        if (!flushing) void flush()
      }),
  }
}

/** A change without what Meta put into it. */
const plain = ({ attemptId, change }: AttemptChange): AttemptChange => ({ attemptId, change: { ...change, code: null, words: '' } })
