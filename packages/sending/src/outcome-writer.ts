import { setTimeout as delay } from 'node:timers/promises'
import { sqlState } from '@lockstep/database'
import type { OutcomeChange } from './attempt.ts'
import type { SendContext } from './context.ts'
import type { MessageOutcome, SendQueue } from './queue.ts'

/** Writes an owner's outcomes in groups, one transaction at a time. */
export interface OutcomeWriter {
  /**
   * Resolves once it is committed, also by a database that is away: what Meta answered must not be
   * lost.
   */
  write(outcome: MessageOutcome): Promise<void>
}

/** A group is written when it holds so many, or its first has waited for so long. */
const group = { size: 100, waitMs: 10 }
const retryMs = { first: 50, most: 2_000 }

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
      const items = waiting
      waiting = []
      await commit(
        ctx,
        queue,
        items.map(({ outcome }) => outcome),
        onStopped,
      )
      for (const { done } of items) done()
    }
    isWriting = false
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

/** Ends when they are committed, or with the service: then they become unknown. */
async function commit(
  ctx: SendContext,
  queue: SendQueue,
  outcomes: MessageOutcome[],
  onStopped: () => void,
  isPlain = false,
): Promise<void> {
  const { signal } = ctx.closing
  for (let waitMs = retryMs.first; !signal.aborted; waitMs = Math.min(waitMs * 2, retryMs.most)) {
    try {
      if ((await queue.write(outcomes)) === 'stopped') onStopped()
      return
    } catch (err) {
      ctx.log.error(
        { err, owner: queue.owner.id, outcomes: outcomes.length },
        'Outcomes could not be written yet; trying again',
      )
      // What PostgreSQL refuses to store is kept without its content, and apart from the others.
      if (refusesContent(err) && !isPlain) {
        if (outcomes.length === 1) return commit(ctx, queue, outcomes.map(plain), onStopped, true)
        for (const outcome of outcomes) await commit(ctx, queue, [outcome], onStopped)
        return
      }
      await delay(waitMs, undefined, { signal }).catch(() => undefined)
    }
  }
}

/**
 * Data exceptions and broken constraints (SQLSTATE classes 22 and 23): it would be refused again.
 */
const refusesContent = (error: unknown): boolean => /^2[23]/.test(sqlState(error) ?? '')

/** An outcome without what Meta put into it. */
function plain({
  attemptId,
  change: { kind, at, notBefore, isStop, reason },
}: MessageOutcome): MessageOutcome {
  const change: OutcomeChange = {
    kind,
    at,
    ...(notBefore && { notBefore }),
    ...(isStop && { isStop, reason }),
  }
  return { attemptId, change }
}
