/** Later is left to the sweeper. */
const maxAheadMs = 60_000

export interface DelayedWakeUps extends Disposable {
  /** Wakes a partition in so many ms; of several times the first. */
  wakeIn(partition: number, ms: number): void
}

/** Wakes partitions when their next entry falls due, by one timer a partition. */
export function openDelayedWakeUps(wake: (partition: number) => void): DelayedWakeUps {
  const timers = new Map<number, { at: number; timer: NodeJS.Timeout }>()
  return {
    wakeIn(partition, ms) {
      const at = performance.now() + ms
      const known = timers.get(partition)
      if (ms > maxAheadMs || (known && known.at <= at)) return
      clearTimeout(known?.timer)
      const timer = setTimeout(() => {
        timers.delete(partition)
        wake(partition)
      }, ms + 1).unref()
      timers.set(partition, { at, timer })
    },
    [Symbol.dispose]() {
      for (const { timer } of timers.values()) clearTimeout(timer)
      timers.clear()
    },
  }
}
