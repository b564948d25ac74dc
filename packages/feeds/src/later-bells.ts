/** Later is left to the sweeper. */
const maxAheadMs = 60_000

export interface LaterBells extends Disposable {
  /** Calls for a partition in so many ms; of several times asked for, the first. */
  ringIn(partition: number, ms: number): void
}

/** Rings partitions when their next entry falls due, by one timer a partition; the sweeper would too, only later. */
export function openLaterBells(ring: (partition: number) => void): LaterBells {
  const waiting = new Map<number, { at: number; timer: NodeJS.Timeout }>()
  return {
    ringIn(partition, ms) {
      const at = performance.now() + ms
      const known = waiting.get(partition)
      if (ms > maxAheadMs || (known && known.at <= at)) return
      clearTimeout(known?.timer)
      const timer = setTimeout(() => {
        waiting.delete(partition)
        ring(partition)
      }, ms + 1).unref()
      waiting.set(partition, { at, timer })
    },
    [Symbol.dispose]() {
      for (const { timer } of waiting.values()) clearTimeout(timer)
      waiting.clear()
    },
  }
}
