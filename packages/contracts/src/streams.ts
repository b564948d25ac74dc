export interface StreamRow {
  subjects: string[]
  /** `workqueue`: kept until acked, new messages refused when full. `limits`: kept for `maxAgeMs`, nothing depends on it. */
  retention: 'workqueue' | 'limits'
  maxAgeMs: number
  maxConsumers: number
  purpose: string
}

/** A job message is a doorbell: the row it points at is the truth, so an old one is worth nothing after a day. */
const jobs = { retention: 'workqueue', maxAgeMs: 86_400_000, maxConsumers: 10_000 } as const

/** Every JetStream stream. They are created from this table, and again whenever one is found missing. */
export const streams = {
  WEBHOOKS: { ...jobs, subjects: ['webhooks.>'], purpose: 'webhook parts wait for a number, campaign or WABA' },
  CAMPAIGNS: { ...jobs, subjects: ['campaigns.>'], purpose: 'queue "campaigns": a campaign has recipients to prepare or send' },
  CHATBOTS: { ...jobs, subjects: ['chatbots.>'], purpose: 'queue "chatbots": inbound messages wait for a bot' },
  DEFAULT: { ...jobs, subjects: ['default.>'], purpose: 'queue "default": imports, syncs and other jobs of one service' },
  EVENTS: { retention: 'limits', maxAgeMs: 86_400_000, maxConsumers: 1_000, subjects: ['events.>'], purpose: 'live views only' },
} as const satisfies Record<string, StreamRow>

export type StreamName = keyof typeof streams

export interface LaneRow {
  stream: StreamName
  /** Subject of one lane; its consumer is the only one on it. */
  subject: (key: string) => string
  /** The service whose rows wait (it serves Take and Finish), and the one that works on them. */
  producer: ServiceName
  consumer: ServiceName
  /** What the key names. */
  key: string
  work: string
}

/** The services that exist by name; each owns one PostgreSQL schema and one role of that name (dashes become underscores). */
export const services = ['accounts', 'webhook-gateway', 'contacts', 'templates', 'campaigns', 'conversations', 'api'] as const
export type ServiceName = (typeof services)[number]

/**
 * Every lane. A lane serializes the work of one key: one subject, one durable pull consumer with max_ack_pending = 1.
 * The name of a lane is also the subscriber of its feed entries.
 */
export const lanes = {
  'webhooks.message': {
    stream: 'WEBHOOKS',
    subject: (phoneNumberId: string) => `webhooks.message.${phoneNumberId}`,
    producer: 'webhook-gateway',
    consumer: 'conversations',
    key: 'phone number id',
    work: 'inbound messages, and statuses without a valid token, of one number',
  },
  'webhooks.campaign': {
    stream: 'WEBHOOKS',
    subject: (campaignId: string) => `webhooks.campaign.${campaignId}`,
    producer: 'webhook-gateway',
    consumer: 'campaigns',
    key: 'campaign id',
    work: 'statuses whose token names an attempt of this campaign',
  },
  'webhooks.template': {
    stream: 'WEBHOOKS',
    subject: (wabaId: string) => `webhooks.template.${wabaId}`,
    producer: 'webhook-gateway',
    consumer: 'templates',
    key: 'WABA id',
    work: 'template status, quality and category updates',
  },
  'webhooks.account': {
    stream: 'WEBHOOKS',
    subject: (wabaId: string) => `webhooks.account.${wabaId}`,
    producer: 'webhook-gateway',
    consumer: 'accounts',
    key: 'WABA id',
    work: 'account, number and capability updates',
  },
  'campaigns.run': {
    stream: 'CAMPAIGNS',
    subject: (campaignId: string) => `campaigns.${campaignId}`,
    producer: 'campaigns',
    consumer: 'campaigns',
    key: 'campaign id',
    work: 'a campaign to prepare or send; one slice at a time',
  },
  'contacts.import': {
    stream: 'DEFAULT',
    subject: (accountId: string) => `default.contacts.import.${accountId}`,
    producer: 'contacts',
    consumer: 'contacts',
    key: 'account id',
    work: 'CSV imports of one account, in order',
  },
  'contacts.learn': {
    stream: 'DEFAULT',
    subject: (accountId: string) => `default.contacts.learn.${accountId}`,
    producer: 'campaigns',
    consumer: 'contacts',
    key: 'account id',
    work: 'what sending taught about people: wa_id, user_id, opt-out by error 131050',
  },
  'templates.sync': {
    stream: 'DEFAULT',
    subject: (connectionId: string) => `default.templates.sync.${connectionId}`,
    producer: 'templates',
    consumer: 'templates',
    key: 'connection id',
    work: 'template syncs of one connection',
  },
} as const satisfies Record<string, LaneRow>

export type LaneName = keyof typeof lanes

/** A key is one NATS subject token: no dots, spaces or wildcards, so a hostile id can't reach another lane. */
export const laneKeyPattern = /^[A-Za-z0-9_-]{1,128}$/

/** How a lane's consumer is set up and worked on. The relations between these figures are asserted by a test. */
export const laneSettings = {
  ackWaitMs: 30_000,
  /** A handler says it is alive this often; a third of ack_wait, so that two lost signs still leave time. */
  heartbeatMs: 10_000,
  /** A handler that was silent this long has lost its lease and must send nothing. */
  leaseMarginMs: 3_000,
  /** The server deletes an idle lane's consumer after this; never shorter than a job's silence, never done by us. */
  inactiveThresholdMs: 300_000,
  /** A worker keeps a pull open on keys that were active this recently. */
  idlePullMs: 5_000,
  /** Doorbells of one key within this time become one. */
  debounceMs: 10,
  /** Where that were several, the next ones within this time: a tenth of the second in which Meta wants an effect. */
  busyDebounceMs: 100,
  takeEntries: 500,
  takeBytes: 2_000_000,
  /** Tries of one entry before it is dead. */
  maxTries: 3,
  /** A failed entry is due again after this, times its tries so far. */
  retryMs: 1_000,
  /** A worker gives a lane back after this, so that others have their turn and a stop needs no force. */
  sliceMs: 5_000,
  sweepEveryMs: 5_000,
  sweepBackoffMs: 60_000,
} as const

/** Subject of the core NATS message that tells workers which key of a lane has work. */
export const wakeSubject = (lane: LaneName): string => `wake.${lane}`

/** Name of a lane's durable consumer. */
export const consumerName = (lane: LaneName, key: string): string => `${lane.replace('.', '-')}-${key}`
