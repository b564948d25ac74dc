import { lanes } from '@lockstep/contracts'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { consumersOf, type PartitionConsumer } from './consumers.ts'
import { connectionOptions } from './link.ts'

/** Looks at the lanes of a system from outside: works on none of them and creates nothing. */
export interface LaneView extends AsyncDisposable {
  consumers(): Promise<PartitionConsumer[]>
}

/** Throws when NATS does not answer within 5 s. */
export async function openLaneView(options: { url: string; name: string }): Promise<LaneView> {
  const nc = await connect({ ...connectionOptions(options.url, options.name), reconnect: false })
  const jsm = await jetstreamManager(nc, { checkAPI: false })
  const queues = new Set(Object.values(lanes).map((lane) => lane.stream))
  return {
    consumers: async () =>
      (await Promise.all([...queues].map((stream) => consumersOf(jsm, stream)))).flat(),
    [Symbol.asyncDispose]: () => nc.close(),
  }
}
