import type { Round } from './measure.ts'

/** Rings doorbells, a limited number unanswered at a time, and measures how long each waits for its handler. */
export interface Turnstile {
  /** Rings `rings` times and resolves when each was answered. Rings that are answered together count as one operation. */
  pass(rings: number, keyOf: (i: number) => string): Promise<Round>
  /** To be called by the handler of a key. */
  answer(key: string): void
}

/** Opens a turnstile before a way to ring a key. */
export function openTurnstile(atOnce: number, ring: (key: string) => void): Turnstile {
  /** When each key was rung that has had no handler since. */
  const waiting = new Map<string, number[]>()
  let answered: (times: number[]) => void = () => undefined

  return {
    async pass(rings, keyOf) {
      const { promise, resolve } = Promise.withResolvers<void>()
      const latenciesMs: number[] = []
      let rung = 0
      let handled = 0
      const ringNext = () => {
        if (rung >= rings) return
        const key = keyOf(rung++)
        const times = waiting.get(key)
        if (times) times.push(performance.now())
        else waiting.set(key, [performance.now()])
        ring(key)
      }
      answered = (times) => {
        const now = performance.now()
        for (const time of times) latenciesMs.push(now - time)
        handled += 1
        if (latenciesMs.length === rings) return resolve()
        for (const _ of times) ringNext()
      }
      const from = performance.now()
      for (let i = 0; i < atOnce; i++) ringNext()
      await promise
      return { operations: handled, elapsedMs: performance.now() - from, latenciesMs }
    },
    answer(key) {
      const times = waiting.get(key)
      waiting.delete(key)
      if (times) answered(times)
    },
  }
}
