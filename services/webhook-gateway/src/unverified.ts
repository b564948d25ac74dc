import type { IncomingMessage } from 'node:http'
import { gauge } from '@lockstep/telemetry'
import { countRequest } from './metrics.ts'

/** Bytes of webhook bodies that are held before their signature can be checked: anybody may have sent them. */
export interface Unverified extends Disposable {
  /** Counts a body while it arrives, until the answer is called: its signature is good, or its request is over. */
  watch(request: IncomingMessage): () => void
}

const maxUnverifiedBytes = 64 * 1024 * 1024

/**
 * Bounds what is held unverified to 64 MB: beyond that the connection that holds most is cut off, so that whoever sends small webhooks
 * is let in beside any number of large ones that never end. To Meta a cut is a failed connection: it sends the webhook again.
 */
export function boundUnverified(): Unverified {
  const held = new Map<IncomingMessage, number>()
  let total = 0
  const measured = gauge('lockstep_webhook_unverified_bytes', 'Webhook bodies whose signature is not checked yet', () => [{ value: total }])

  function release(request: IncomingMessage): void {
    total -= held.get(request) ?? 0
    held.delete(request)
  }

  function cutLargest(): void {
    let largest: [IncomingMessage, number] | undefined
    for (const each of held) if (!largest || each[1] > largest[1]) largest = each
    countRequest('cut_off')
    release(largest![0])
    largest![0].destroy()
  }

  return {
    watch(request) {
      held.set(request, 0)
      request.on('data', (chunk: Buffer) => {
        const bytes = held.get(request)
        if (bytes === undefined) return
        held.set(request, bytes + chunk.length)
        total += chunk.length
        if (total > maxUnverifiedBytes) cutLargest()
      })
      return () => release(request)
    },
    [Symbol.dispose]: () => measured[Symbol.dispose](),
  }
}
