import {
  AppError,
  consumerName,
  type LaneName,
  lanes,
  partitionSubject,
  type StreamName,
  type StreamRow,
  streams,
} from '@lockstep/contracts'
import {
  AckPolicy,
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from '@nats-io/jetstream'
import { nanos } from '@nats-io/nats-core'
import type { Link } from './link.ts'

/** Codes of nats-server (server/errors.json) that the client has no name for. */
const serverCodes = { streamNameExists: 10058, maximumConsumers: 10026, storeFailed: 10077 }

/** Of one partition: the wake-up that its worker holds, and one that waits. */
const maxStoredWakeUps = 2

/** Throws `precondition` when the server refuses a stream for good. */
export async function ensureStreams(jsm: JetStreamManager, replicas: number): Promise<void> {
  for (const [name, row] of Object.entries(streams))
    await ensureStream(jsm, streamConfig(name as StreamName, row, replicas))
}

async function ensureStream(jsm: JetStreamManager, config: StreamConfig): Promise<void> {
  try {
    await jsm.streams.add(config).catch((err) => {
      if (codeOf(err) !== serverCodes.streamNameExists) throw err
      return jsm.streams.update(config.name, config)
    })
  } catch (err) {
    if (!(err instanceof JetStreamApiError) || err.status >= 503) throw err
    throw new AppError(
      'precondition',
      `NATS refuses stream ${config.name}: ${err.message}; compare it with the table in contracts`,
      {
        cause: err,
      },
    )
  }
}

function streamConfig(name: StreamName, row: StreamRow, replicas: number): StreamConfig {
  const isQueue = row.retention === 'workqueue'
  return {
    name,
    subjects: row.subjects,
    retention: isQueue ? RetentionPolicy.Workqueue : RetentionPolicy.Limits,
    discard: isQueue ? DiscardPolicy.New : DiscardPolicy.Old,
    storage: StorageType.File,
    max_age: nanos(row.maxAgeMs),
    max_consumers: row.maxConsumers,
    // Said although it is the default: an update leaves alone what it doesn't name, and a full
    // queue refuses wake-ups.
    max_msgs: -1,
    max_bytes: -1,
    // Refusing the new wake-up loses nothing; discarding the old one would give its partition to a
    // second worker.
    max_msgs_per_subject: isQueue ? maxStoredWakeUps : -1,
    ...(isQueue && { discard_new_per_subject: true }),
    num_replicas: replicas,
  } as StreamConfig
}

/** Creates it, and its stream when that is missing too; the same again changes nothing. */
export async function createConsumer(
  { jsm, settings, repairStreams }: Link,
  lane: LaneName,
  partition: number,
): Promise<void> {
  const { stream } = lanes[lane]
  const create = () =>
    jsm.consumers.add(stream, {
      durable_name: consumerName(lane, partition),
      filter_subject: partitionSubject(lane, partition),
      deliver_policy: DeliverPolicy.All,
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(settings.ackWaitMs),
      max_ack_pending: 1,
      max_deliver: -1,
    })
  await create().catch(async (err) => {
    if (codeOf(err) !== JetStreamApiCodes.StreamNotFound) throw err
    await repairStreams()
    await create()
  })
}

/** Deletes wake-ups that a killed server left and that keep new ones out. */
export async function purgeLeaked(
  { jsm, nc }: Link,
  lane: LaneName,
  partition: number,
  hadUpTo: number,
): Promise<void> {
  const subject = partitionSubject(lane, partition)
  const { purged } = await jsm.streams.purge(lanes[lane].stream, {
    filter: subject,
    seq: hadUpTo + 1,
  })
  if (purged > 0) nc.publish(subject)
}

/** `pending`: not handed out; `unacknowledged`: handed out and not answered. */
export interface PartitionConsumer {
  stream: StreamName
  consumer: string
  subject: string
  pending: number
  unacknowledged: number
}

/** The consumers of a stream; none when there is no such stream. */
export async function consumersOf(
  jsm: JetStreamManager,
  stream: StreamName,
): Promise<PartitionConsumer[]> {
  const found: PartitionConsumer[] = []
  try {
    for await (const info of jsm.consumers.list(stream)) {
      if (!info) continue // the server lists consumers that vanish meanwhile as null
      const { name: consumer, config, num_pending: pending, num_ack_pending: unacknowledged } = info
      found.push({
        stream,
        consumer,
        subject: config.filter_subject ?? '',
        pending,
        unacknowledged,
      })
    }
  } catch (error) {
    if (!isMissing(error)) throw error
  }
  return found
}

/** `waiting`: the partition has a stored wake-up already. */
export function wakeUpAck(payload: string): 'stored' | 'waiting' | { error: string } {
  const { error } = JSON.parse(payload) as { error?: { err_code?: number; description?: string } }
  if (!error) return 'stored'
  if (error.err_code === serverCodes.storeFailed && /per subject/.test(error.description ?? ''))
    return 'waiting'
  return { error: error.description ?? 'refused' }
}

/** True when a stream holds as many consumers as it may. */
export const isFull = (error: unknown): boolean => codeOf(error) === serverCodes.maximumConsumers

/** True when there is no such consumer, or not even its stream. */
export const isMissing = (error: unknown): boolean =>
  codeOf(error) === JetStreamApiCodes.ConsumerNotFound ||
  codeOf(error) === JetStreamApiCodes.StreamNotFound

/** True when trying the same again is of no use. */
export const isRefused = (error: unknown): boolean => error instanceof AppError

function codeOf(error: unknown): number | undefined {
  return error instanceof JetStreamApiError ? error.code : undefined
}
