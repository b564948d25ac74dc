import type { EventTopic } from '@lockstep/contracts'
import type { Event } from '@lockstep/rpc/gen/events'
import type { Tail } from './tail.ts'

/** What a stream tells, and from where on. */
export interface Followed {
  topics: readonly EventTopic[]
  /** The last event that the reader has; null for none: it begins with what comes. */
  after: number | null
  /** Where the account's list ended, and up to where it may be gone, when the stream began. */
  position: { lastId: number; droppedId: number }
}

interface Source {
  tail: Tail
  /** A page of events of the stream's topics after an id. */
  readPage(after: number, limit: number): Promise<readonly Event[]>
  /** The event as JSON for the public. */
  encode(event: Event): unknown
  keepAliveMs: number
}

const pageLimit = 100

/**
 * Server-sent events, one at a time, until the signal fires. What the tail has no more of, or not
 * yet, comes from rows, so that a slow reader keeps nothing in memory.
 */
export async function* eventStream(
  { tail, readPage, encode, keepAliveMs }: Source,
  { topics, after, position }: Followed,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const { lastId, droppedId } = position
  const isGone = after !== null && (after < droppedId || after > lastId)
  let cursor = isGone ? lastId : (after ?? lastId)
  // A reader that loses the connection before the first event goes on from here.
  yield `retry: ${Math.round(1_000 + Math.random() * 2_000)}\nid: ${cursor}\n\n`
  if (isGone) yield `event: reset\nid: ${cursor}\ndata: {"last_id":"${cursor}"}\n\n`
  while (!signal.aborted) {
    const known = tail.lastId()
    const kept = tail.after(cursor)
    const events = kept ?? (await readPage(cursor, pageLimit))
    for (const event of events) {
      if (signal.aborted) return
      if (!topics.includes(event.topic as EventTopic)) continue
      cursor = Number(event.id)
      yield `id: ${event.id}\ndata: ${JSON.stringify(encode(event))}\n\n`
    }
    // A page that is not full has all that was recorded before it was asked for.
    if (kept || events.length < pageLimit) cursor = Math.max(cursor, known)
    if (cursor < tail.lastId() || signal.aborted) continue
    if (!(await tail.changed(keepAliveMs, signal)) && !signal.aborted) yield ':\n\n'
  }
}
