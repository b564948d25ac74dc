/**
 * What an operation does when another holds its lock. Nothing is ever dropped. packages/locks knows `wait` only and refuses all
 * others with `busy`; the rest is done by who asked, or by the lane's worker, which takes a key again 1–3 s after a `busy`:
 * - `refuse`: the endpoint tells the caller what is running, by a row (templates' StartSync); the lane puts an entry that still
 *   meets the lock off by 5 s (lanes/sync.ts);
 * - `queue`: the lane leaves the entries open, due again in 2 s (contacts' lanes/import.ts);
 * - `skip`: the holder is doing this very work; the worker comes again and finds the campaign's row moved on;
 * - `coalesce`: marked dirty, the holder runs once more: for segments, which no operation calculates yet;
 * - `later`: the worker takes it again;
 * - `wait`: packages/locks waits up to 2 s, if all locks of the hold say so; then `busy`, and the worker takes it again.
 */
export type WhenBusy = 'refuse' | 'queue' | 'skip' | 'coalesce' | 'later' | 'wait'

/** The order in which several locks are acquired, so that two holders never wait crosswise. */
export const lockOrder = [
  'account',
  'connection',
  'campaign',
  'segment',
  'contact',
  'message',
] as const

export interface LockRow {
  key: (id: string) => string
  /** What the id names. */
  of: (typeof lockOrder)[number]
  ttlMs: number
  whenBusy: WhenBusy
  /** True when a transaction under this lock is checked against `lock_fences`. */
  fence: boolean
  /** The operation that the lock serializes, and what keeps the data right without it. */
  guards: string
}

const seconds = (n: number): number => n * 1000
const minutes = (n: number): number => n * 60_000

/** The 12 locks of docs/reference/conflict-analysis.md, with its exact keys and times. */
export const locks = {
  template_sync: {
    key: (connectionId: string) => `template_sync:connection:${connectionId}`,
    of: 'connection',
    ttlMs: minutes(5),
    whenBusy: 'refuse',
    fence: true,
    guards: 'one template sync a connection; unique (account, WABA, name, language)',
  },
  contact_import: {
    key: (accountId: string) => `contact_import:account:${accountId}`,
    of: 'account',
    ttlMs: minutes(10),
    whenBusy: 'queue',
    fence: true,
    guards: 'one import an account; unique identities, one running row an account',
  },
  contact_export: {
    key: (accountId: string) => `contact_export:account:${accountId}`,
    of: 'account',
    ttlMs: minutes(5),
    whenBusy: 'refuse',
    fence: false,
    guards: 'one export an account; unique file name, atomic rename',
  },
  campaign_prepare_recipients: {
    key: (campaignId: string) => `campaign_prepare_recipients:${campaignId}`,
    of: 'campaign',
    ttlMs: minutes(5),
    whenBusy: 'skip',
    fence: true,
    guards: 'one preparation a campaign; unique (campaign, contact), run id',
  },
  segment_recalculate: {
    key: (accountId: string) => `segment_recalculate:account:${accountId}`,
    of: 'account',
    ttlMs: minutes(10),
    whenBusy: 'coalesce',
    fence: true,
    guards: 'one recalculation of all segments an account; recompute is idempotent',
  },
  webhook_process: {
    key: (connectionId: string) => `webhook_process:connection:${connectionId}`,
    of: 'connection',
    ttlMs: minutes(1),
    whenBusy: 'wait',
    fence: false,
    guards: 'one webhook batch a connection; unique keys of the effects',
  },
  webhook_message: {
    key: (messageId: string) => `webhook_message:${messageId}`,
    of: 'message',
    ttlMs: seconds(30),
    whenBusy: 'wait',
    fence: false,
    guards: 'one handler an inbound message; unique (connection, wamid)',
  },
  webhook_status: {
    key: (messageId: string) => `webhook_status:${messageId}`,
    of: 'message',
    ttlMs: seconds(30),
    whenBusy: 'wait',
    fence: false,
    guards: 'one handler a message status; facts only ever move forward',
  },
  campaign_send: {
    key: (campaignId: string) => `campaign_send:${campaignId}`,
    of: 'campaign',
    ttlMs: minutes(1),
    whenBusy: 'later',
    fence: true,
    guards: 'one sender a campaign; claim by conditional UPDATE',
  },
  campaign_status_update: {
    key: (wamid: string) => `campaign_status_update:${wamid}`,
    of: 'message',
    ttlMs: seconds(30),
    whenBusy: 'wait',
    fence: false,
    guards: "one writer of an attempt's status; facts only ever move forward",
  },
  contact_merge: {
    key: (contactId: string) => `contact_merge:${contactId}`,
    of: 'contact',
    ttlMs: minutes(5),
    whenBusy: 'refuse',
    fence: false,
    guards: 'one merge a contact, both ids at once; rows locked in id order',
  },
  segment_calculate: {
    key: (segmentId: string) => `segment_calculate:${segmentId}`,
    of: 'segment',
    ttlMs: minutes(1),
    whenBusy: 'coalesce',
    fence: true,
    guards: 'one calculation a segment; fence on write',
  },
} as const satisfies Record<string, LockRow>

export type LockName = keyof typeof locks

/** A holder renews at a third of the TTL, so that two lost renewals still leave time. */
export const renewEveryMs = (ttlMs: number): number => Math.floor(ttlMs / 3)

/**
 * How processes know which of them live (docs/decisions/0043). A lock whose owner's `instance:{id}`
 * is gone may be taken over.
 */
export const instances = {
  key: (instanceId: string) => `instance:${instanceId}`,
  ttlMs: seconds(15),
  renewEveryMs: seconds(1),
  /** A sorted set: when each process last renewed its key, in ms of Redis' clock. */
  listKey: 'instances',
  /** A set: the deliveries that a process holds, by the subject that answers each. */
  deliveriesKey: (instanceId: string) => `deliveries:${instanceId}`,
  /** Tells a process that lives after all that it was declared dead. */
  deadKey: (instanceId: string) => `dead:${instanceId}`,
  /** Longer than any delivery waits for its answer. */
  noteTtlMs: minutes(1),
  /** A process that was silent in Redis for so long is asked for over NATS. */
  askAfterMs: 1_400,
  /** One that was silent for so long, and whose connection to NATS is gone, is dead. */
  silentMs: seconds(2),
  /** Its connection must be gone at two questions that are so far apart. */
  confirmMs: seconds(1),
  /** A connected process is dead after so long without an answer, once its key has run out. */
  unansweredMs: seconds(10),
  /** The part of these times in which a process itself believes that it is not taken for dead. */
  usable: 0.9,
} as const

/** The subject on which a process answers whether it is alive. */
export const aliveSubject = (instanceId: string): string => `alive.${instanceId}`
