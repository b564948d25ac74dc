import { lanes } from '@lockstep/contracts'
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { connectionOptions } from './link.ts'
import { isMissing } from './streams.ts'

/** The consumer of one lane's key, and how many doorbells it has not handed out, and how many it waits for the answer to. */
export interface LaneConsumer {
  stream: string
  consumer: string
  pending: number
  unacknowledged: number
}

/** Looks at the lanes of a system from outside: works on none of them and creates nothing. */
export interface LaneView extends AsyncDisposable {
  consumers(): Promise<LaneConsumer[]>
}

/** Throws when NATS does not answer within 5 s. */
export async function openLaneView(options: { url: string; name: string }): Promise<LaneView> {
  const nc = await connect({ ...connectionOptions(options.url, options.name), reconnect: false })
  const jsm = await jetstreamManager(nc, { checkAPI: false })
  const queues = new Set(Object.values(lanes).map((lane) => lane.stream))
  return {
    consumers: async () => (await Promise.all([...queues].map((stream) => consumersOf(jsm, stream)))).flat(),
    [Symbol.asyncDispose]: () => nc.close(),
  }
}

async function consumersOf(jsm: JetStreamManager, stream: string): Promise<LaneConsumer[]> {
  const found: LaneConsumer[] = []
  try {
    for await (const { name, num_pending, num_ack_pending } of jsm.consumers.list(stream))
      found.push({ stream, consumer: name, pending: num_pending, unacknowledged: num_ack_pending })
  } catch (error) {
    if (!isMissing(error)) throw error // nothing was ever rung there
  }
  return found
}
