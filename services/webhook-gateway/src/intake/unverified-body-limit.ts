import type { IncomingMessage } from 'node:http'
import { shares } from '@lockstep/contracts'
import { gauge } from '@lockstep/telemetry'
import { countRequest } from '../metrics.ts'

/** Bounds requests whose signature can't be checked yet: anybody may have sent them. */
export interface UnverifiedBodyLimit extends Disposable {
  /** Counts a request for an app and an address until it is `done`: verified, or over. */
  open(request: IncomingMessage, appId: string, address: string): Upload
}

export interface Upload {
  /** Counts its bytes from now on. */
  listen(): void
  done(): void
}

const maxBytes = 64 * 1024 * 1024
/**
 * After `afterMs` an upload must bring so many bytes in each window; Meta's bring 3 MB in a
 * fraction of a second.
 */
const slowest = { afterMs: 3_000, windowMs: 1_000, bytes: 32 * 1024 }

interface OpenUpload {
  request: IncomingMessage
  groups: Group[]
  startedAt: number
  bytes: number
  /** As of the last window's end. */
  bytesBefore: number
}

/** Uploads that share a bound, the oldest first. */
interface Group {
  uploads: Set<OpenUpload>
  bytes: number
  max: { bytes: number; requests: number }
}

/**
 * Bounds unverified bodies by address, by app and in all. Over it the oldest upload of that group
 * is cut off; to Meta that is a failed connection, and it sends the webhook again.
 */
export function openUnverifiedBodyLimit(): UnverifiedBodyLimit {
  const all: Group = newGroup({ bytes: maxBytes, requests: Number.POSITIVE_INFINITY })
  const apps = new Map<string, Group>()
  const addresses = new Map<string, Group>()
  const metric = gauge(
    'lockstep_webhook_unverified_bytes',
    'Webhook bodies whose signature is not checked yet',
    () => [{ value: all.bytes }],
  )
  const timer = cutSlowUploads(all)

  return {
    open(request, appId, address) {
      const ofAddress = groupOf(addresses, address, addressMax)
      const ofApp = groupOf(apps, appId, appMax)
      const groups = [ofAddress, ofApp, all]
      const startedAt = performance.now()
      const upload: OpenUpload = { request, groups, startedAt, bytes: 0, bytesBefore: 0 }
      for (const group of groups) group.uploads.add(upload)
      cutOldest(groups)
      return {
        listen() {
          request.on('data', (chunk: Buffer) => {
            if (!all.uploads.has(upload)) return
            upload.bytes += chunk.length
            for (const group of groups) group.bytes += chunk.length
            cutOldest(groups)
          })
        },
        done() {
          release(upload)
          if (ofAddress.uploads.size === 0) addresses.delete(address)
          if (ofApp.uploads.size === 0) apps.delete(appId)
        },
      }
    },
    [Symbol.dispose]() {
      clearInterval(timer)
      metric[Symbol.dispose]()
    },
  }
}

const addressMax = {
  bytes: shares.address_upload_bytes.limit,
  requests: shares.address_uploads.limit,
}
const appMax = { bytes: shares.app_upload_bytes.limit, requests: shares.app_uploads.limit }

const newGroup = (max: Group['max']): Group => ({ uploads: new Set(), bytes: 0, max })

function groupOf(groups: Map<string, Group>, name: string, max: Group['max']): Group {
  const known = groups.get(name)
  if (known) return known
  const group = newGroup(max)
  groups.set(name, group)
  return group
}

function release(upload: OpenUpload): void {
  for (const group of upload.groups) if (group.uploads.delete(upload)) group.bytes -= upload.bytes
}

function cut(upload: OpenUpload, result: 'cut_off' | 'too_slow'): void {
  countRequest(result)
  release(upload)
  upload.request.destroy()
}

/** Cuts off the oldest uploads of each group that is over its bound. */
function cutOldest(groups: Group[]): void {
  for (const group of groups)
    while (group.bytes > group.max.bytes || group.uploads.size > group.max.requests)
      cut(group.uploads.values().next().value!, 'cut_off')
}

function cutSlowUploads(all: Group): NodeJS.Timeout {
  let lastAt = performance.now()
  return setInterval(() => {
    const now = performance.now()
    // When this process stood still, what has arrived meanwhile is not read yet.
    const stoodStill = now - lastAt > 1.5 * slowest.windowMs
    lastAt = now
    for (const upload of all.uploads) {
      const isSlow =
        upload.bytes - upload.bytesBefore < slowest.bytes &&
        now - upload.startedAt > slowest.afterMs
      upload.bytesBefore = upload.bytes
      if (isSlow && !stoodStill && !upload.request.complete) cut(upload, 'too_slow')
    }
  }, slowest.windowMs).unref()
}
