import { openDatabase } from '@lockstep/database'
import { localFeed, work } from '@lockstep/feeds'
import { openMessaging } from '@lockstep/messaging'
import { createLogger, startTelemetry } from '@lockstep/telemetry'
import { collectGarbage, memoryOf } from './machine.ts'
import { wideLane } from './wide-lane.ts'

/** What a worker has handled since it was asked last. */
export interface WideReport {
  /** From the producer's statement to the handler, ms. */
  latenciesMs: Float64Array
  sets: number
  /** Resident bytes after a collection of garbage; undefined where there is no /proc. */
  memory: number | undefined
}

/** A worker as a service has it, whose handler does nothing but look at the time: `<PostgreSQL URL> <NATS URL>`. */
const [postgresUrl = '', natsUrl = ''] = process.argv.slice(2)
const log = createLogger({ service: 'bench', to: process.stderr })
startTelemetry({ service: 'bench' }) // counting is part of the work
const db = await openDatabase({ url: postgresUrl, schema: 'templates' })
const messaging = await openMessaging({ url: natsUrl, name: 'worker', log })
const ctx = {
  config: { service: 'templates' as const, drainMs: 5_000 },
  log,
  db,
  messaging,
  scale: 1,
}
let latencies: number[] = []
let sets = 0
await work(ctx, wideLane, localFeed(ctx), async (_ctx, entries) => {
  const now = Date.now()
  sets++
  for (const entry of entries) latencies.push(now - JSON.parse(entry.body.toString()).atMs)
  return []
})

process.on('message', () => {
  collectGarbage()
  const report: WideReport = {
    latenciesMs: Float64Array.from(latencies),
    sets,
    memory: memoryOf(process.pid, 'now'),
  }
  latencies = []
  sets = 0
  process.send?.(report)
})
process.once('disconnect', () => process.exit())
process.send?.('ready')
