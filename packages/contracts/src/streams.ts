import { hash } from 'node:crypto'
import type { ServiceName } from '../gen/services.ts'

export interface StreamRow {
  subjects: string[]
  /** `workqueue`: kept until acked. `limits`: kept for `maxAgeMs`, nothing depends on it. */
  retention: 'workqueue' | 'limits'
  maxAgeMs: number
  maxConsumers: number
  purpose: string
}

/** Their messages are wake-ups: one of yesterday is worth nothing. */
const jobs = { retention: 'workqueue', maxAgeMs: 86_400_000, maxConsumers: 4_096 } as const

/** Created from this table, and again whenever one is found missing. */
export const streams = {
  WEBHOOKS: {
    ...jobs,
    subjects: ['webhooks.>'],
    purpose: 'webhook parts wait for a number, campaign or WABA',
  },
  CAMPAIGNS: {
    ...jobs,
    subjects: ['campaigns.>'],
    purpose: 'queue "campaigns": a campaign has recipients to prepare or send',
  },
  CHATBOTS: {
    ...jobs,
    subjects: ['chatbots.>'],
    purpose: 'queue "chatbots": inbound messages wait for a bot',
  },
  DEFAULT: {
    ...jobs,
    subjects: ['default.>'],
    purpose: 'queue "default": imports, syncs and other jobs of one service',
  },
  EVENTS: {
    retention: 'limits',
    maxAgeMs: 86_400_000,
    maxConsumers: 1_000,
    subjects: ['events.>'],
    purpose: 'live views only',
  },
} as const satisfies Record<string, StreamRow>

export type StreamName = keyof typeof streams

export type LaneKey =
  | ('phone number id' | 'WABA id' | 'campaign id' | 'account id' | 'connection id')
  | ('webhook endpoint id' | 'mail id')

export interface LaneRow {
  stream: StreamName
  /** Subjects of its partitions begin with it. */
  prefix: string
  /** A power of two; each partition is one subject with one durable consumer. */
  partitions: number
  /** The service whose rows wait (it serves Take and Settle), and the one that works on them. */
  producer: ServiceName
  worker: ServiceName
  /** `keys`: a handler gets each key's entries for themselves. `sets`: those of all keys. */
  by: 'keys' | 'sets'
  /** Runs at a time in one process; the usual number unless it is said here. */
  maxActive?: number
  /** What the key names. */
  key: LaneKey
  work: string
}

/** The lane by which a service tells what happened to accounts' things. */
const eventLane = <const Producer extends ServiceName>(producer: Producer) =>
  ({
    stream: 'DEFAULT',
    prefix: `default.events.${producer}.`,
    partitions: 16,
    producer,
    worker: 'events',
    by: 'sets',
    key: 'account id',
    work: 'what happened to things of one account, for those who follow it',
  }) as const

/** A key belongs to one partition, and a partition to one durable consumer (docs/decisions/0015). */
export const lanes = {
  'webhooks.message': {
    stream: 'WEBHOOKS',
    prefix: 'webhooks.message.',
    partitions: 256,
    producer: 'webhook-gateway',
    worker: 'conversations',
    by: 'sets',
    key: 'phone number id',
    work: 'inbound messages, and statuses without a valid token, of one number',
  },
  'webhooks.campaign': {
    stream: 'WEBHOOKS',
    prefix: 'webhooks.campaign.',
    partitions: 256,
    producer: 'webhook-gateway',
    worker: 'campaigns',
    by: 'sets',
    key: 'campaign id',
    work: 'statuses whose token names an attempt of this campaign',
  },
  'webhooks.template': {
    stream: 'WEBHOOKS',
    prefix: 'webhooks.template.',
    partitions: 256,
    producer: 'webhook-gateway',
    worker: 'templates',
    by: 'keys',
    key: 'WABA id',
    work: 'template status, quality and category updates',
  },
  'webhooks.account': {
    stream: 'WEBHOOKS',
    prefix: 'webhooks.account.',
    partitions: 256,
    producer: 'webhook-gateway',
    worker: 'accounts',
    by: 'keys',
    key: 'WABA id',
    work: 'account, number and capability updates',
  },
  'webhooks.adopt': {
    stream: 'WEBHOOKS',
    prefix: 'webhooks.adopt.',
    partitions: 16,
    producer: 'accounts',
    worker: 'webhook-gateway',
    by: 'keys',
    key: 'phone number id',
    work: 'a number was connected: what came for it and its WABA before is adopted',
  },
  'campaigns.run': {
    stream: 'CAMPAIGNS',
    prefix: 'campaigns.run.',
    partitions: 256,
    producer: 'campaigns',
    worker: 'campaigns',
    by: 'keys',
    key: 'campaign id',
    work: 'a campaign to prepare or send; one slice at a time',
  },
  'campaigns.forget': {
    stream: 'DEFAULT',
    prefix: 'default.campaigns-forget.',
    partitions: 16,
    producer: 'contacts',
    worker: 'campaigns',
    by: 'keys',
    key: 'account id',
    work: 'recipients of contacts that were forgotten: their numbers and values go',
  },
  'conversations.forget': {
    stream: 'DEFAULT',
    prefix: 'default.conversations-forget.',
    partitions: 16,
    producer: 'contacts',
    worker: 'conversations',
    by: 'keys',
    key: 'account id',
    work: 'messages of contacts that were forgotten: what was written goes',
  },
  'contacts.import': {
    stream: 'DEFAULT',
    prefix: 'default.contacts.import.',
    partitions: 256,
    producer: 'contacts',
    worker: 'contacts',
    by: 'keys',
    maxActive: 4, // an import keeps a batch of rows in memory and a connection busy
    key: 'account id',
    work: 'CSV imports of one account, in order',
  },
  'contacts.identity-updates': {
    stream: 'DEFAULT',
    prefix: 'default.contacts.identity-updates.',
    partitions: 256,
    producer: 'campaigns',
    worker: 'contacts',
    by: 'sets',
    key: 'account id',
    work: 'ids of contacts that answers to sends name: wa_id, user_id',
  },
  'templates.sync': {
    stream: 'DEFAULT',
    prefix: 'default.templates.sync.',
    partitions: 256,
    producer: 'templates',
    worker: 'templates',
    by: 'keys',
    key: 'connection id',
    work: 'template syncs of one connection',
  },
  'accounts.mail': {
    stream: 'DEFAULT',
    prefix: 'default.accounts-mail.',
    partitions: 16,
    producer: 'accounts',
    worker: 'accounts',
    by: 'keys',
    maxActive: 8, // each holds a connection to the mail server
    key: 'mail id',
    work: 'links to be mailed, and those that were asked for without signing in',
  },
  'events.accounts': eventLane('accounts'),
  'events.campaigns': eventLane('campaigns'),
  'events.contacts': eventLane('contacts'),
  'events.conversations': eventLane('conversations'),
  'events.templates': eventLane('templates'),
  'events.events': eventLane('events'),
  'events.deliver': {
    stream: 'DEFAULT',
    prefix: 'default.events-deliver.',
    partitions: 64,
    producer: 'events',
    worker: 'events',
    by: 'keys',
    maxActive: 64, // a quarter is one account's: all of the endpoints that it may have
    key: 'webhook endpoint id',
    work: 'events to be posted to one endpoint',
  },
} as const satisfies Record<string, LaneRow>

export type LaneName = keyof typeof lanes

/** The lanes that a service works on. */
export type LaneOf<Service extends ServiceName> = {
  [Name in LaneName]: (typeof lanes)[Name]['worker'] extends Service ? Name : never
}[LaneName]

/** The lanes in which parts of webhooks wait. */
export type WebhookLane = {
  [Name in LaneName]: (typeof lanes)[Name]['producer'] extends 'webhook-gateway' ? Name : never
}[LaneName]

/** The lanes in which parts of webhooks wait under a key of this kind. */
export function webhookLanesBy(key: LaneKey): LaneName[] {
  const names = Object.keys(lanes) as LaneName[]
  return names.filter(
    (name) => lanes[name].producer === 'webhook-gateway' && lanes[name].key === key,
  )
}

/** Ids of Meta's and ours, and nothing that a hostile id could hide in. */
export const laneKeyPattern = /^[A-Za-z0-9_-]{1,128}$/

/** The relations between these figures are asserted by a test. */
export const laneSettings = {
  ackWaitMs: 30_000,
  /** A third of ack_wait, so that two lost signs of life still leave time. */
  heartbeatMs: 10_000,
  /** A handler that was silent this long has lost its lease and must send nothing. */
  leaseMarginMs: 3_000,
  /** A worker keeps a pull open on partitions that were woken this recently. */
  idlePullMs: 5_000,
  /** Wake-ups within this time are sent together. */
  debounceMs: 10,
  /** A partition gets one stored wake-up within this; others reach only workers that listen. */
  storeEveryMs: 500,
  /** A worker keeps an idle partition longer than `storeEveryMs`, to hear what isn't stored. */
  idleReleaseMs: 750,
  takeEntries: 500,
  takeBytes: 2_000_000,
  /** Keys that one take looks at. */
  takeKeys: 1_000,
  /** At least so long from one take to the next, so that little work costs little. */
  takeEveryMs: 10,
  /** A further set begins beside one that takes longer than this. */
  parallelAfterMs: 50,
  /** Sets are made as large as can be handled in this. */
  targetSetMs: 250,
  /** No smaller ones, however slow it goes. */
  minSetEntries: 50,
  /** Tries of one entry before it is dead. */
  maxTries: 3,
  /** A failed entry is due again after this, times its tries so far. */
  retryMs: 1_000,
  /** A worker releases a partition after this, so that others have their turn. */
  sliceMs: 5_000,
  sweepEveryMs: 5_000,
} as const

/** Core NATS: tells workers which partitions of a lane have work, with commas between. */
export const wakeSubject = (lane: LaneName): string => `wake.${lane}`

/** Subject of one partition's stored wake-ups. */
export const partitionSubject = (lane: LaneName, partition: number): string =>
  `${lanes[lane].prefix}${partition}`

/** Name of a partition's durable consumer. */
export const consumerName = (lane: LaneName, partition: number): string =>
  `${lane.replace('.', '-')}-${partition}`

const keyHashBits = 16

/** From 0 to 65,535, and never another for the same key; a partition is a range of hashes. */
export function hashOfKey(key: string): number {
  return hash('sha256', key, 'buffer').readUInt16BE(0)
}

/** The partition that a key belongs to. */
export function partitionOf(lane: LaneName, key: string): number {
  return partitionOfHash(lane, hashOfKey(key))
}

/** The partition whose range has a key's hash. */
export function partitionOfHash(lane: LaneName, keyHash: number): number {
  return keyHash >>> (keyHashBits - Math.log2(lanes[lane].partitions))
}

/** The first and the last hash of a partition. */
export function hashRangeOf(lane: LaneName, partition: number): { first: number; last: number } {
  const size = 2 ** keyHashBits / lanes[lane].partitions
  return { first: partition * size, last: (partition + 1) * size - 1 }
}
