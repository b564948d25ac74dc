import type { IncomingMessage } from 'node:http'
import { shares } from '@lockstep/contracts'
import { gauge } from '@lockstep/telemetry'
import { countRequest } from './metrics.ts'

/** Requests under way whose signature can't be checked yet: anybody may have sent them. */
export interface Uploads extends Disposable {
  /** Counts a request for an app and an address, until it is `done`: its signature is good, or it is over. */
  open(request: IncomingMessage, appId: string, address: string): Upload
}

export interface Upload {
  /** Counts its bytes from now on. */
  listen(): void
  done(): void
}

const maxBytes = 64 * 1024 * 1024
/** After a while an upload must bring so much in each window: a body of 3 MB takes 30 s at 100 kB/s, Meta's a fraction of a second. */
const slowest = { afterMs: 3_000, windowMs: 1_000, bytes: 32 * 1024 }

interface Entry {
  request: IncomingMessage
  groups: Group[]
  startedAt: number
  bytes: number
  /** As of the last window's end. */
  bytesBefore: number
}

/** Entries that share a bound, the oldest first. */
interface Group {
  entries: Set<Entry>
  bytes: number
  max: { bytes: number; requests: number }
}

/**
 * Bounds what is held unverified by address, by app and in all. What is over costs the oldest of that group its connection: a webhook
 * that arrives as Meta's do, within a fraction of a second, never is. To Meta a cut is a failed connection: it sends the webhook again.
 */
export function boundUploads(): Uploads {
  const all: Group = newGroup({ bytes: maxBytes, requests: Number.POSITIVE_INFINITY })
  const apps = new Map<string, Group>()
  const addresses = new Map<string, Group>()
  const measured = gauge(
    'lockstep_webhook_unverified_bytes',
    'Webhook bodies whose signature is not checked yet',
    () => [{ value: all.bytes }],
  )
  const timer = cutSlowOnes(all, (entry) => cut(entry, 'too_slow'))

  function release(entry: Entry): void {
    if (!all.entries.has(entry)) return
    for (const group of entry.groups) {
      group.entries.delete(entry)
      group.bytes -= entry.bytes
    }
  }

  function cut(entry: Entry, result: 'cut_off' | 'too_slow'): void {
    countRequest(result)
    release(entry)
    entry.request.destroy()
  }

  function keepWithin(groups: Group[]): void {
    for (const group of groups)
      while (group.bytes > group.max.bytes || group.entries.size > group.max.requests)
        cut(group.entries.values().next().value!, 'cut_off')
  }

  return {
    open(request, appId, address) {
      const its = [groupOf(addresses, address, ofAddress), groupOf(apps, appId, ofApp), all]
      const entry: Entry = {
        request,
        groups: its,
        startedAt: performance.now(),
        bytes: 0,
        bytesBefore: 0,
      }
      for (const group of its) group.entries.add(entry)
      keepWithin(its)
      return {
        listen() {
          request.on('data', (chunk: Buffer) => {
            if (!all.entries.has(entry)) return
            entry.bytes += chunk.length
            for (const group of its) group.bytes += chunk.length
            keepWithin(its)
          })
        },
        done() {
          release(entry)
          if (its[0]!.entries.size === 0) addresses.delete(address)
          if (its[1]!.entries.size === 0) apps.delete(appId)
        },
      }
    },
    [Symbol.dispose]() {
      clearInterval(timer)
      measured[Symbol.dispose]()
    },
  }
}

const ofAddress = {
  bytes: shares.address_upload_bytes.limit,
  requests: shares.address_uploads.limit,
}
const ofApp = { bytes: shares.app_upload_bytes.limit, requests: shares.app_uploads.limit }

const newGroup = (max: Group['max']): Group => ({ entries: new Set(), bytes: 0, max })

function groupOf(groups: Map<string, Group>, name: string, max: Group['max']): Group {
  const known = groups.get(name)
  if (known) return known
  const group = newGroup(max)
  groups.set(name, group)
  return group
}

function cutSlowOnes(all: Group, cut: (entry: Entry) => void): NodeJS.Timeout {
  let lookedAt = performance.now()
  return setInterval(() => {
    const now = performance.now()
    // When this process stood still, what has arrived meanwhile is not read yet.
    const stoodStill = now - lookedAt > 1.5 * slowest.windowMs
    lookedAt = now
    for (const entry of all.entries) {
      const isSlow =
        entry.bytes - entry.bytesBefore < slowest.bytes && now - entry.startedAt > slowest.afterMs
      entry.bytesBefore = entry.bytes
      if (isSlow && !stoodStill && !entry.request.complete) cut(entry)
    }
  }, slowest.windowMs).unref()
}
