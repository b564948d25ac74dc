import {
  consumerName,
  type LaneName,
  lanes,
  partitionSubject,
  type StreamName,
} from '@lockstep/contracts'
import {
  AckPolicy,
  DeliverPolicy,
  JetStreamApiCodes,
  type JetStreamManager,
} from '@nats-io/jetstream'
import { nanos } from '@nats-io/nats-core'
import type { Link } from './link.ts'
import { codeOf, serverCodes } from './streams.ts'

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

/** True when a stream holds as many consumers as it may. */
export const isFull = (error: unknown): boolean => codeOf(error) === serverCodes.maximumConsumers

/** True when there is no such consumer, or not even its stream. */
export const isMissing = (error: unknown): boolean =>
  codeOf(error) === JetStreamApiCodes.ConsumerNotFound ||
  codeOf(error) === JetStreamApiCodes.StreamNotFound
