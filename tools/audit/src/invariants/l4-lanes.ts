import { setTimeout as delay } from 'node:timers/promises'
import { lanes } from '@lockstep/contracts'
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { batches } from '../ground-truth.ts'
import type { Invariant, Run, Settings } from '../invariant.ts'

const lookAgainMs = 250
const reachMs = 5_000
/** What nats-server answers about a stream or a consumer that does not exist (server/errors.json). */
const missingCodes: readonly unknown[] = [10059, 10014]

const columns = 'stream text, consumer text, pending bigint, unacknowledged bigint'

export const lanesAreEmpty: Invariant = {
  id: 'L4',
  statement: "Once all is done, no consumer of a lane's stream has a message that is pending or not acknowledged, and keeps it.",
  means: 'A doorbell is with nobody, or with a worker that does not answer: the next work of its key waits until it is given out again.',
  rows: 'afterLog',
  needs: 'nats',
  onlySettled: true,
  prepare: loadConsumers,
  checked: 'select count(*) from lane_consumers',
  violations: 'select * from lane_consumers where pending + unacknowledged > 0 order by stream, consumer',
}

interface LaneConsumer {
  stream: string
  consumer: string
  pending: number
  unacknowledged: number
}

/** What rings just now is handled in a moment: a consumer counts with what it never was without. */
async function loadConsumers(run: Run, { natsUrl, settledSeconds }: Settings): Promise<void> {
  const options = { ...addressOf(natsUrl!), name: 'lockstep-audit', timeout: reachMs, reconnect: false }
  const nc = await connect(options).catch((cause) => {
    throw new Error(`NATS does not answer at ${options.servers}: L4 can't be checked`, { cause })
  })
  try {
    const jsm = await jetstreamManager(nc, { checkAPI: false })
    const found = await listConsumers(jsm)
    const until = performance.now() + settledSeconds * 1_000
    for (let busy = found.filter(isBusy); busy.length > 0 && performance.now() < until; busy = busy.filter(isBusy)) {
      await delay(lookAgainMs)
      for (const each of busy) Object.assign(each, await counts(jsm, each))
    }
    await run(`create temp table lane_consumers (${columns}) on commit drop`)
    const rows = batches(run, 'lane_consumers', columns)
    for (const each of found) await rows.add(each)
    await rows.flush()
  } finally {
    await nc.close()
  }
}

const isBusy = ({ pending, unacknowledged }: LaneConsumer) => pending + unacknowledged > 0

/** As packages/messaging reads it: `nats://[user:password@]host:port`, several separated by commas; `tls://` for TLS. */
function addressOf(natsUrl: string) {
  const urls = natsUrl.split(',').map((part) => new URL(part.trim()))
  const { username, password, protocol } = urls[0]!
  return {
    servers: urls.map((part) => part.host),
    ...(username && { user: decodeURIComponent(username), pass: decodeURIComponent(password) }),
    ...(protocol === 'tls:' && { tls: {} }),
  }
}

async function listConsumers(jsm: JetStreamManager): Promise<LaneConsumer[]> {
  const found: LaneConsumer[] = []
  for (const stream of new Set(Object.values(lanes).map((lane) => lane.stream))) {
    try {
      for await (const { name, num_pending, num_ack_pending } of jsm.consumers.list(stream))
        found.push({ stream, consumer: name, pending: num_pending, unacknowledged: num_ack_pending })
    } catch (error) {
      if (!isMissing(error)) throw error // nothing was ever rung there
    }
  }
  return found
}

/** A consumer that is gone waits for nothing. */
async function counts(
  jsm: JetStreamManager,
  { stream, consumer }: LaneConsumer,
): Promise<Pick<LaneConsumer, 'pending' | 'unacknowledged'>> {
  try {
    const { num_pending, num_ack_pending } = await jsm.consumers.info(stream, consumer)
    return { pending: num_pending, unacknowledged: num_ack_pending }
  } catch (error) {
    if (!isMissing(error)) throw error
    return { pending: 0, unacknowledged: 0 }
  }
}

const isMissing = (error: unknown): boolean => missingCodes.includes((error as { code?: unknown }).code)
