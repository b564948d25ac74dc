import { setTimeout as delay, setImmediate as others } from 'node:timers/promises'
import { AppError, shares } from '@lockstep/contracts'
import { countRequest } from './metrics.ts'

/** Takes large bodies apart, one of an account after the other, so that nobody fills this process's time with them. */
export interface Reading {
  /** Resolves with what reading gave, in its account's turn and step by step. Throws `busy` when too much of the account's waits. */
  take<Result>(
    accountId: string,
    bytes: number,
    read: () => Generator<void, Result>,
  ): Promise<Result>
}

/** What one account has waiting, in order. */
interface Line {
  waiting: { bytes: number; run(): Promise<number> }[]
  bytes: number
}

/** For each moment of reading an account's next body waits so many. */
const restFor = 1 / shares.account_reading.limit - 1
/** A process that stood still has not read all that while. */
const maxRestMs = 2_000
/** After so long others have their turn. */
const stepMs = 2

export function openReading(): Reading {
  const lines = new Map<string, Line>()

  /** Reads what waits, and lets the account rest after each; the line goes when nothing came meanwhile. */
  async function work(accountId: string, line: Line): Promise<void> {
    for (let first = line.waiting.shift(); first; first = line.waiting.shift()) {
      line.bytes -= first.bytes
      const spentMs = await first.run()
      await delay(Math.min(restFor * spentMs, maxRestMs))
    }
    lines.delete(accountId)
  }

  return {
    take(accountId, bytes, read) {
      const known = lines.get(accountId)
      if ((known?.bytes ?? 0) + bytes > shares.account_unread_bytes.limit) {
        countRequest('unread_full')
        return Promise.reject(
          new AppError(
            'busy',
            "Too many of this account's large webhooks wait to be read; send it again",
          ),
        )
      }
      const line = known ?? { waiting: [], bytes: 0 }
      line.bytes += bytes
      return new Promise((resolve, reject) => {
        line.waiting.push({ bytes, run: () => inSteps(read(), resolve, reject) })
        if (known) return
        lines.set(accountId, line)
        void work(accountId, line)
      })
    },
  }
}

/** Goes through the steps, and answers how many milliseconds they took. */
async function inSteps<Result>(
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
    await others()
  }
}
