import type { ServerResponse } from 'node:http'
import { AppError, shares, Throttled } from '@lockstep/contracts'
import { counter, gauge } from '@lockstep/telemetry'

interface OpenStream {
  accountId: string
  response: ServerResponse
  /** Throws when its caller may follow no more. */
  recheck(): Promise<void>
  end: AbortController
  /** What its socket had taken at the last look at which it had taken something. */
  sentBytes: number
  movedAt: number
}

/** The streams of this process: how many there may be, and which have to end. */
export interface OpenStreams extends Disposable {
  /** Counts a stream; the signal says when to end it. Throws `throttled` or `busy`. */
  begin(stream: Pick<OpenStream, 'accountId' | 'response' | 'recheck'>): AbortSignal
  /** Ends all for a stop, and begins no more. */
  endAll(): void
}

/** Each keeps a socket and some kB. */
const maxStreams = 2_000

const ended = counter('lockstep_api_streams_ended_total', 'Streams that this side ended, by reason')

interface Needs {
  times: { lookAtStreamsEveryMs: number; slowReaderMs: number }
}

export function openStreams({ times }: Needs): OpenStreams {
  const streams = new Set<OpenStream>()
  let isStopping = false
  const open = gauge('lockstep_api_streams_open', 'Streams of events that are open', async () => [
    { value: streams.size, labels: {} },
  ])

  function end(stream: OpenStream, reason: string): void {
    if (!streams.delete(stream)) return
    ended(1, { reason })
    stream.end.abort()
    // What it has not taken by now would hold up a stop.
    if (stream.response.writableLength > 0) stream.response.destroy()
  }

  function cutIfSlow(stream: OpenStream): void {
    const sent = stream.response.socket?.bytesWritten ?? 0
    if (stream.response.writableLength === 0 || sent !== stream.sentBytes) {
      stream.sentBytes = sent
      stream.movedAt = performance.now()
    } else if (performance.now() - stream.movedAt > times.slowReaderMs) end(stream, 'slow')
  }

  const timer = setInterval(() => {
    for (const stream of streams) {
      cutIfSlow(stream)
      stream.recheck().catch((error) => {
        const isOver = error instanceof AppError && overBy.has(error.failure)
        if (isOver) end(stream, 'withdrawn')
      })
    }
  }, times.lookAtStreamsEveryMs)

  return {
    begin({ accountId, response, recheck }) {
      const own = [...streams].filter((stream) => stream.accountId === accountId).length
      if (own >= shares.event_streams.limit)
        throw new Throttled(`${own} streams of this account are open; close some first`)
      if (isStopping || streams.size >= maxStreams)
        throw new AppError('busy', 'Too many streams are open here; try again')
      const moved = { sentBytes: 0, movedAt: performance.now() }
      const stream = { accountId, response, recheck, end: new AbortController(), ...moved }
      streams.add(stream)
      response.once('close', () => {
        streams.delete(stream)
        stream.end.abort()
      })
      return stream.end.signal
    },
    endAll() {
      isStopping = true
      for (const stream of streams) end(stream, 'stop')
    },
    [Symbol.dispose]() {
      clearInterval(timer)
      open[Symbol.dispose]()
    },
  }
}

/** What says that the caller may not go on; anything else is asked again. */
const overBy: ReadonlySet<string> = new Set(['unauthenticated', 'forbidden', 'not_found'])
