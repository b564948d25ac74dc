import type { LogLine } from './log.ts'

/** Counts since the start of the log or the last reset. */
export interface Summary {
  /** Newest sequence number of the log. */
  seq: number
  posts: number
  accepted: number
  /** Refusals by error code. */
  rejected: Record<string, number>
  /** Answers spoilt on purpose, by kind. */
  faults: Record<string, number>
  inbound: number
  webhooks: {
    /** Answered 200. */
    delivered: number
    /** Updates in them, repetitions included. */
    elements: number
    attempts: number
    /** Attempts after the first. */
    retries: number
    failedAttempts: number
  }
  /** What is still under way. */
  pending: { scheduled: number; queued: number; deliveries: number; total: number }
}

/** Counts before anything happened. */
export function emptySummary(): Summary {
  return {
    seq: 0,
    posts: 0,
    accepted: 0,
    rejected: {},
    faults: {},
    inbound: 0,
    webhooks: { delivered: 0, elements: 0, attempts: 0, retries: 0, failedAttempts: 0 },
    pending: { scheduled: 0, queued: 0, deliveries: 0, total: 0 },
  }
}

/** Adds a line to the counts; the same for a line just written and one read back. */
export function count(summary: Summary, line: LogLine): void {
  if (line.kind === 'reset') Object.assign(summary, emptySummary())
  summary.seq = line.seq
  if (line.kind === 'inbound') summary.inbound++
  if (line.kind === 'post') {
    summary.posts++
    if (line.outcome === 'accepted') summary.accepted++
    if (line.outcome === 'rejected')
      summary.rejected[line.code!] = (summary.rejected[line.code!] ?? 0) + 1
    if (line.answer !== 'sent') summary.faults[line.answer] = (summary.faults[line.answer] ?? 0) + 1
  }
  if (line.kind === 'delivery') {
    const { webhooks } = summary
    webhooks.attempts++
    if (line.attempt > 1) webhooks.retries++
    if (line.httpStatus === 200) {
      webhooks.delivered++
      webhooks.elements += line.elements.length
    } else webhooks.failedAttempts++
  }
}
