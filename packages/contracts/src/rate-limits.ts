export interface RateLimitRow {
  key: (id: string) => string
  /** Grants in any window; a connection may be set to another figure up to Meta's tier. */
  limit: number
  /** The window as the name promises it. */
  perMs: number
  /** The window as it is kept: longer, because Meta counts arrivals and ours jitter on the way. */
  windowMs: number
  guards: string
}

const minute = { perMs: 60_000, windowMs: 61_000 } as const

/** Sliding-window logs on Redis time, from docs/reference/conflict-analysis.md. */
export const rateLimits = {
  template_sync_rate_limit: {
    key: (connectionId: string) => `template_sync_rate_limit:connection:${connectionId}`,
    limit: 10,
    ...minute,
    guards: 'template list and create calls of a connection',
  },
  whatsapp_api_rate_limit: {
    key: (connectionId: string) => `whatsapp_api_rate_limit:connection:${connectionId}`,
    limit: 100,
    ...minute,
    guards: 'messages sent by a connection, from campaigns, inbox and bots together',
  },
  bot_rate_limit: {
    key: (conversationId: string) => `bot_rate_limit:${conversationId}`,
    limit: 5,
    ...minute,
    guards: 'automatic replies in a conversation; over it the reply is dropped and counted',
  },
} as const satisfies Record<string, RateLimitRow>

export type RateLimitName = keyof typeof rateLimits

/** What Meta bounds besides the minute, and what is kept for replies. */
export const sendLimits = {
  /** A fifth of the minute (20 of 100) is for replies; bulk may use the rest only. */
  reserve: {
    key: (connectionId: string) => `whatsapp_api_rate_limit:connection:${connectionId}:reserve`,
    share: 0.2,
  },
  /** Meta's default throughput is 80 messages/s a number (meta throughput page). */
  perSecond: {
    key: (connectionId: string) => `whatsapp_api_rate_limit:connection:${connectionId}:second`,
    perMs: 1_000,
    windowMs: 1_025,
    replyShare: 0.025,
  },
  /** Meta's pair limit: one message per 6 s to one person from one number (error 131056). */
  pair: {
    key: (connectionId: string, recipient: string) =>
      `whatsapp_pair_rate_limit:connection:${connectionId}:${recipient}`,
    perMs: 6_000,
  },
  /** A connection that Meta throttled sends more slowly for a while. */
  backoff: { key: (connectionId: string) => `whatsapp_api_backoff:connection:${connectionId}` },
} as const

/** Calls of the public API; the share of a minute that may come at once is the limiter's. */
export const callLimits = {
  api_caller: {
    key: (callerId: string) => `api_rate_limit:caller:${callerId}`,
    perMinute: 3_000,
    guards: 'calls of the public API by one API key or person',
  },
  api_account: {
    key: (accountId: string) => `api_rate_limit:account:${accountId}`,
    perMinute: 6_000,
    guards: 'calls of the public API by all who act for one account',
  },
} as const

/** A slot starts at most this far ahead; past it the answer is "retry after". */
export const slotHorizonMs = 1_000
/** A slot whose POST begins later than this is given up: Meta counts arrivals. */
export const slotGraceMs = 20
