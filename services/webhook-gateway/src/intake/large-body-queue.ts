import { setTimeout as delay, setImmediate as otherWork } from 'node:timers/promises'
import { AppError, shares } from '@lockstep/contracts'
import { countRequest } from '../metrics.ts'

/**
 * Splits large bodies one of an account after the other, so that no account takes all of this
 * process's time.
 */
export interface LargeBodyQueue {
  /** Runs the steps in the account's queue. Throws `busy` when too many of its bytes wait. */
  run<Result>(
    accountId: string,
    bytes: number,
    steps: () => Generator<void, Result>,
  ): Promise<Result>
}

/** What waits of one account, in order. */
interface AccountQueue {
  jobs: { bytes: number; run(): Promise<number> }[]
  bytes: number
}

/** For each ms of work the account's next body waits so many. */
const pausePerMs = 1 / shares.account_reading.limit - 1
/** A process that stood still has not worked all that while. */
const maxPauseMs = 2_000
/** After so long other work goes on. */
const stepMs = 2

export function openLargeBodyQueue(): LargeBodyQueue {
  const queues = new Map<string, AccountQueue>()

  /** Runs what waits, with a pause after each; the queue goes when nothing came meanwhile. */
  async function work(accountId: string, queue: AccountQueue): Promise<void> {
    for (let job = queue.jobs.shift(); job; job = queue.jobs.shift()) {
      queue.bytes -= job.bytes
      const spentMs = await job.run()
      await delay(Math.min(pausePerMs * spentMs, maxPauseMs))
    }
    queues.delete(accountId)
  }

  return {
    run(accountId, bytes, steps) {
      const known = queues.get(accountId)
      if ((known?.bytes ?? 0) + bytes > shares.account_unread_bytes.limit) {
        countRequest('account_queue_full')
        const message = "Too many of this account's large webhooks wait to be read; send it again"
        return Promise.reject(new AppError('busy', message))
      }
      const queue = known ?? { jobs: [], bytes: 0 }
      queue.bytes += bytes
      return new Promise((resolve, reject) => {
        queue.jobs.push({ bytes, run: () => runSteps(steps(), resolve, reject) })
        if (known) return
        queues.set(accountId, queue)
        void work(accountId, queue)
      })
    },
  }
}

/** Runs the steps with pauses for other work; answers how many ms they took. */
async function runSteps<Result>(
  steps: Generator<void, Result>,
  resolve: (result: Result) => void,
  reject: (error: unknown) => void,
): Promise<number> {
  let spentMs = 0
  for (;;) {
    const startedAt = performance.now()
    try {
      let step = steps.next()
      while (!step.done && performance.now() - startedAt < stepMs) step = steps.next()
      if (step.done) resolve(step.value)
      if (step.done) return spentMs + performance.now() - startedAt
    } catch (error) {
      reject(error)
      return spentMs + performance.now() - startedAt
    }
    spentMs += performance.now() - startedAt
    await otherWork()
  }
}
