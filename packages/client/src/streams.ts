import { setTimeout as delay } from 'node:timers/promises'
import type { Operations } from '../gen/operations.ts'
import { ApiError, ApiUnreachable } from './errors.ts'
import { mayRepeat, type PreparedRequest, problemOf } from './request.ts'

/** An event as it comes; `reset` where some are gone, and things must be looked at anew. */
export type FollowedEvent =
  | { kind: 'event'; id: string; event: Operations['listEvents']['output']['events'][number] }
  | { kind: 'reset'; id: string }

/** A server says that it lives at least each 15 s. */
const silenceMs = 45_000
const waits = { firstMs: 500, mostMs: 15_000 }

async function open(request: PreparedRequest): Promise<ReadableStream<Uint8Array>> {
  const { method, url, headers, signal } = request
  let response: Response
  try {
    response = await fetch(url, { method, headers, redirect: 'manual', signal: signal ?? null })
  } catch (error) {
    throw new ApiUnreachable(url, error)
  }
  if (response.ok && response.body) return response.body
  throw new ApiError(response, problemOf(response, await response.text().catch(() => '')))
}

/** The bytes of a file; a connection that is lost in the middle throws `ApiUnreachable`. */
export async function* download(request: PreparedRequest): AsyncGenerator<Uint8Array> {
  const body = await open(request)
  try {
    yield* body
  } catch (error) {
    request.signal?.throwIfAborted()
    throw new ApiUnreachable(request.url, error)
  }
}

/**
 * Events from one connection after the other, each of which goes on after the last that was yielded.
 * The first must be answered; later the API may be away for any time. Throws `ApiError` when it
 * refuses, or the reason of `signal`.
 */
export async function* follow(
  prepare: (headers: Record<string, string>, signal: AbortSignal) => PreparedRequest,
  signal: AbortSignal = new AbortController().signal,
): AsyncGenerator<FollowedEvent> {
  let last: string | undefined
  for (let failures = 0; ; ) {
    const headers = { accept: 'text/event-stream', ...(last && { 'last-event-id': last }) }
    try {
      for await (const message of messagesOf((inner) => prepare(headers, inner), signal)) {
        failures = 0
        // A comment only says that the connection lives.
        if (!message.id) continue
        last = message.id
        if (message.event === 'reset') yield { kind: 'reset', id: message.id }
        else if (message.data)
          yield { kind: 'event', id: message.id, event: JSON.parse(message.data) }
      }
    } catch (error) {
      signal.throwIfAborted()
      if (last === undefined || !mayRepeat(error)) throw error
    }
    signal.throwIfAborted()
    const waitMs = Math.min(waits.mostMs, waits.firstMs * 2 ** failures++)
    await delay(waitMs * (0.5 + Math.random() / 2), undefined, { signal })
  }
}

interface Message {
  id: string
  event: string
  data: string
}

/** Server-sent events of one connection, until it ends; throws when nothing comes for too long. */
async function* messagesOf(
  prepare: (signal: AbortSignal) => PreparedRequest,
  signal: AbortSignal,
): AsyncGenerator<Message> {
  const silent = new AbortController()
  const timer = setTimeout(() => silent.abort(new Error('nothing came for too long')), silenceMs)
  const request = prepare(AbortSignal.any([signal, silent.signal]))
  try {
    const body = await open(request)
    let text = ''
    for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
      timer.refresh()
      const parts = (text + chunk).split('\n\n')
      text = parts.pop()!
      for (const part of parts) yield messageOf(part)
    }
  } catch (error) {
    if (error instanceof ApiError || error instanceof ApiUnreachable) throw error
    throw new ApiUnreachable(request.url, error)
  } finally {
    clearTimeout(timer)
  }
}

function messageOf(part: string): Message {
  const fields = part.split('\n').map((line) => /^(\w*): ?(.*)$/.exec(line) ?? [])
  const all = (name: string) => fields.flatMap(([, field, value]) => (field === name ? value! : []))
  return {
    id: all('id').at(-1) ?? '',
    event: all('event').at(-1) ?? '',
    data: all('data').join('\n'),
  }
}
