import { AckPolicy, type ConsumerMessages, jetstream, jetstreamManager, RetentionPolicy, StorageType } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import type { Round } from './measure.ts'

/** A JetStream work queue as the manual shows it: one stream, one consumer, each message pulled and acked. */
export interface PlainQueue extends AsyncDisposable {
  pass(messages: number, atOnce: number, keyOf: (i: number) => string): Promise<Round>
}

const stream = 'PLAIN'

/** Publisher and consumer have a connection each, as ringer and worker have. */
export async function openPlainQueue(url: string): Promise<PlainQueue> {
  await using up = new AsyncDisposableStack()
  const [publishing, consuming] = await Promise.all([connect({ servers: url }), connect({ servers: url })])
  for (const connection of [publishing, consuming]) up.defer(() => connection.close())
  const jsm = await jetstreamManager(publishing)
  await jsm.streams.add({ name: stream, subjects: ['plain.>'], retention: RetentionPolicy.Workqueue, storage: StorageType.File })
  await jsm.consumers.add(stream, { durable_name: 'plain', ack_policy: AckPolicy.Explicit })
  const js = jetstream(publishing)
  const consumer = await jetstream(consuming).consumers.get(stream, 'plain')
  let handled: (subject: string) => void = () => undefined
  const messages: ConsumerMessages = await consumer.consume({
    callback: (msg) => {
      handled(msg.subject)
      msg.ack()
    },
  })
  up.defer(async () => void (await messages.close()))
  const opened = up.move()
  return {
    async pass(count, atOnce, keyOf) {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const latenciesMs: number[] = []
      const waiting = new Map<string, number[]>()
      let sent = 0
      const sendNext = () => {
        if (sent >= count) return
        const subject = `plain.${keyOf(sent++)}`
        const times = waiting.get(subject) ?? []
        times.push(performance.now())
        waiting.set(subject, times)
        js.publish(subject, '').catch(reject)
      }
      handled = (subject) => {
        latenciesMs.push(performance.now() - (waiting.get(subject)?.shift() ?? Number.NaN))
        if (latenciesMs.length === count) resolve()
        else sendNext()
      }
      const from = performance.now()
      for (let i = 0; i < atOnce; i++) sendNext()
      await promise
      return { operations: count, elapsedMs: performance.now() - from, latenciesMs }
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}
