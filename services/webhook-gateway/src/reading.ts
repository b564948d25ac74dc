import { AppError, shares } from '@lockstep/contracts'
import { countRequest } from './metrics.ts'

/** Takes large bodies apart, one of an account after the other, so that nobody fills this process's time with them. */
export interface Reading {
  /** Resolves with what `read` gave in its account's turn. Throws `busy` when too much of the account's waits. */
  take<Result>(accountId: string, bytes: number, read: () => Result): Promise<Result>
}

/** What one account has waiting, in order. */
interface Line {
  waiting: { bytes: number; run(): void }[]
  bytes: number
}

/** For each moment of reading an account's next body waits so many. */
const restFor = 1 / shares.account_reading.limit - 1
/** A process that stood still has not read all that while. */
const maxRestMs = 2_000

export function openReading(): Reading {
  const lines = new Map<string, Line>()

  /** Reads the first that waits, then lets the account rest; the line goes when nothing came meanwhile. */
  function next(accountId: string, line: Line): void {
    const first = line.waiting.shift()
    if (!first) return void lines.delete(accountId)
    line.bytes -= first.bytes
    const startedAt = performance.now()
    first.run()
    setTimeout(next, Math.min(restFor * (performance.now() - startedAt), maxRestMs), accountId, line)
  }

  return {
    take(accountId, bytes, read) {
      return new Promise((resolve, reject) => {
        const run = () => {
          try {
            resolve(read())
          } catch (error) {
            reject(error)
          }
        }
        const line = lines.get(accountId)
        if (!line) {
          const opened: Line = { waiting: [{ bytes, run }], bytes }
          lines.set(accountId, opened)
          return next(accountId, opened)
        }
        if (line.bytes + bytes > shares.account_unread_bytes.limit) {
          countRequest('unread_full')
          return reject(new AppError('busy', "Too many of this account's large webhooks wait to be read; send it again"))
        }
        line.waiting.push({ bytes, run })
        line.bytes += bytes
      })
    },
  }
}
