import type { Event } from '@lockstep/rpc/gen/events'

/** The newest events of one account. */
export interface Tail {
  lastId(): number
  /** Events after an id in their order; null when it has not all of them. */
  after(id: number): readonly Event[] | null
  /** True at the next event; false when none has come for `ms`, or the signal fires. */
  changed(ms: number, signal: AbortSignal): Promise<boolean>
  /** Events in id order; those that it knows are passed over. */
  add(events: readonly Event[]): void
}

/** So many events and bytes of their bodies are kept; who is behind reads rows. */
const kept = { events: 100, bytes: 64_000 }

export function openTail(first: number): Tail {
  let last = first
  let events: Event[] = []
  let bytes = 0
  const waiting = new Set<(changed: boolean) => void>()

  return {
    lastId: () => last,
    after(id) {
      if (id >= last) return []
      const oldest = events[0]
      return oldest && Number(oldest.id) <= id + 1
        ? events.filter((event) => Number(event.id) > id)
        : null
    },
    changed(ms, signal) {
      const { promise, resolve } = Promise.withResolvers<boolean>()
      const end = (changed: boolean) => {
        clearTimeout(timer)
        signal.removeEventListener('abort', giveUp)
        waiting.delete(end)
        resolve(changed)
      }
      const giveUp = () => end(false)
      const timer = setTimeout(giveUp, ms)
      signal.addEventListener('abort', giveUp)
      waiting.add(end)
      if (signal.aborted) giveUp()
      return promise
    },
    add(added) {
      const fresh = added.filter(({ id }) => Number(id) > last)
      if (fresh.length === 0) return
      last = Number(fresh.at(-1)!.id)
      events.push(...fresh)
      bytes += fresh.reduce((sum, { bodyJson }) => sum + bodyJson.length, 0)
      let dropped = 0
      while (events.length - dropped > kept.events || bytes > kept.bytes)
        bytes -= events[dropped++]!.bodyJson.length
      events = events.slice(dropped)
      for (const end of [...waiting]) end(true)
    },
  }
}
