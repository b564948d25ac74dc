import { setTimeout as delay } from 'node:timers/promises'
import { tail } from '@lockstep/servers'
import type { Running } from '@lockstep/system'

export interface Supervision {
  /** As in messages: `NATS`. */
  name: string
  logFile: string
  /** The process as it was started first. */
  first: Running
  /** Starts it again, at the same address. */
  restart: () => Promise<Running>
  say: (line: string) => void
  /** It doesn't stay up: the whole has to end. */
  giveUp: (error: Error) => void
}

/** It may end by itself this often in a minute. */
const mostEnds = 3
const withinMs = 60_000
const pauseMs = 200

/**
 * Starts a process again whenever it ends by itself, and says so with its last lines; one that does not stay up is given up.
 * Disposing stops it.
 */
export function supervise(what: Supervision): AsyncDisposable {
  const { name, first, restart, say, giveUp } = what
  const stopping = new AbortController()
  const countEnd = createEndCounter(what)
  let running: Running | undefined = first

  async function startAgain(): Promise<Running | undefined> {
    for (;;) {
      try {
        return await restart()
      } catch (error) {
        const lost = countEnd(
          `${name} did not start again (${(error as Error).message.split('\n')[0]})`,
        )
        if (lost) giveUp(lost)
        if (lost || stopping.signal.aborted) return undefined
        await delay(pauseMs)
      }
    }
  }

  async function watch(): Promise<void> {
    while (running) {
      await running.exited
      running = undefined
      if (stopping.signal.aborted) return
      const lost = countEnd(`${name} has ended by itself`)
      if (lost) return giveUp(lost)
      running = await startAgain()
      if (running && !stopping.signal.aborted) say(`${name} runs again.`)
      if (stopping.signal.aborted) await running?.stop()
    }
  }

  const watching = watch()
  return {
    async [Symbol.asyncDispose]() {
      stopping.abort()
      await running?.stop()
      await watching
    },
  }
}

/** Says each end that it is told of; answers the error to give up with when there were too many. */
function createEndCounter({ logFile, say }: Supervision): (what: string) => Error | undefined {
  const ends: number[] = []
  return (what) => {
    ends.push(performance.now())
    const recent = ends.filter((at) => performance.now() - at < withinMs)
    if (recent.length > mostEnds)
      return new Error(
        `${what} ${recent.length} times within a minute. The end of ${logFile}:\n${tail(logFile)}`,
      )
    say(`${what}; it is started again. The end of ${logFile}:\n${tail(logFile)}`)
    return undefined
  }
}
