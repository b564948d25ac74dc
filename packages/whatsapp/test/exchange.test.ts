import { Dispatcher } from 'undici'
import { expect, test } from 'vitest'
import { exchange } from '../src/graph/exchange.ts'

/**
 * A dispatcher with a start of its own in the place of a connection; counts the requests that were
 * written.
 */
class Starter extends Dispatcher {
  written = 0
  readonly #starts: (start: () => void) => void

  constructor(starts: (start: () => void) => void) {
    super()
    this.#starts = starts
  }

  override dispatch(
    _options: Dispatcher.DispatchOptions,
    handler: Dispatcher.DispatchHandler,
  ): boolean {
    const controller = {
      abort() {},
      pause() {},
      resume() {},
      paused: false,
      aborted: false,
      reason: null,
      rawHeaders: null,
      rawTrailers: null,
    }
    this.#starts(() => {
      try {
        handler.onRequestStart?.(controller, null)
        this.written++
      } catch {
        // Refused: nothing is written.
      }
    })
    return true
  }
}

const request = { method: 'POST', path: '/' } as const
const bounds = { timeoutMs: 1_000, maxResponseBytes: 1_000 }

// undici does this with a running request whose socket it closed for a reason of its own.
test('a request that the HTTP library starts a second time is not written a second time, and its outcome is not known', async () => {
  const dispatcher = new Starter((start) => {
    start()
    start()
  })
  expect((await exchange(dispatcher, request, bounds)).kind).toBe('noAnswer')
  expect(dispatcher.written).toBe(1)
})

test('a request that starts late, before the late timer could say so, is not written', async () => {
  const dispatcher = new Starter((start) => {
    const until = performance.now() + 30
    while (performance.now() < until);
    start()
  })
  expect(
    (await exchange(dispatcher, request, { ...bounds, notAfterMs: performance.now() + 10 })).kind,
  ).toBe('notWritten')
  expect(dispatcher.written).toBe(0)
})
