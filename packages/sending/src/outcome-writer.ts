import { setTimeout as delay } from 'node:timers/promises'
import { sqlState } from '@lockstep/database'
import type { OutcomeChange } from './attempt.ts'
import type { SendContext } from './context.ts'
import type { MessageOutcome, SendQueue } from './queue.ts'

/** Writes an owner's outcomes in groups: one transaction at a time takes all that has come in since the last. */
export interface OutcomeWriter {
  /** Resolves when the outcome is committed; waits out a database that is away, for what Meta answered must not be lost. */
  write(outcome: MessageOutcome): Promise<void>
}

/** A group is written when it holds so many, or its first has waited for so long: a transaction costs what many outcomes cost. */
const group = { size: 100, waitMs: 10 }

/** `onStopped` is called when an outcome has stopped the owner. */
export function createOutcomeWriter(
  ctx: SendContext,
  queue: SendQueue,
  onStopped: () => void,
): OutcomeWriter {
  let waiting: { outcome: MessageOutcome; done: () => void }[] = []
  let timer: NodeJS.Timeout | undefined
  let isWriting = false

  async function flush(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    isWriting = true
    while (waiting.length > 0) {
      const taken = waiting
      waiting = []
      await commit(taken.map((item) => item.outcome))
      for (const { done } of taken) done()
    }
    isWriting = false
  }

  /** Ends only when they are committed, or when the service ends without: then they become unknown. */
  async function commit(outcomes: MessageOutcome[], arePlain = false): Promise<void> {
    const { signal } = ctx.closing
    for (let waitMs = 50; !signal.aborted; waitMs = Math.min(waitMs * 2, 2_000)) {
      try {
        if ((await queue.write(outcomes)) === 'stopped') onStopped()
        return
      } catch (err) {
        ctx.log.error(
          { err, owner: queue.owner.id, outcomes: outcomes.length },
          'Outcomes could not be written yet; trying again',
        )
        // What PostgreSQL refuses to store costs its neighbours nothing; of itself the outcome is kept.
        if (refusesContent(err) && !arePlain) {
          if (outcomes.length === 1) return commit(outcomes.map(plain), true)
          for (const outcome of outcomes) await commit([outcome])
          return
        }
        await delay(waitMs, undefined, { signal }).catch(() => undefined)
      }
    }
  }

  return {
    write: (outcome) =>
      new Promise((done) => {
        waiting.push({ outcome, done })
        if (isWriting) return
        if (waiting.length >= group.size) void flush()
        else timer ??= setTimeout(flush, group.waitMs)
      }),
  }
}

/** Data exceptions and broken constraints (SQLSTATE classes 22 and 23): this content is refused, and would be again. */
const refusesContent = (error: unknown): boolean => /^2[23]/.test(sqlState(error) ?? '')

/** An outcome without what Meta put into it. */
function plain({
  attemptId,
  change: { kind, at, notBefore, isStop, words },
}: MessageOutcome): MessageOutcome {
  const change: OutcomeChange = {
    kind,
    at,
    ...(notBefore && { notBefore }),
    ...(isStop && { isStop, words }),
  }
  return { attemptId, change }
}
