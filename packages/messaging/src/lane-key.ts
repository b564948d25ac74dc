import { setTimeout as delay } from 'node:timers/promises'
import { consumerName, lanes } from '@lockstep/contracts'
import { withTrace } from '@lockstep/telemetry'
import type { Msg } from '@nats-io/nats-core'
import type { LaneWorker, Verdict } from './lane-worker.ts'
import { ack, holdLease, type Lease, nak } from './lease.ts'
import { counted, jobSeconds } from './metrics.ts'
import type { Pulled } from './pulls.ts'
import { createConsumer, isFull, isMissing } from './streams.ts'

/** A key that a worker looks after. */
export interface LaneKey {
  key: string
  /** When it was last rung or worked on, on the monotonic clock. */
  activeAt: number
  hasConsumer: boolean
  /** Resolves when nothing is left of it, or the worker stops. */
  served: Promise<void>
}

/** How long a pull stays open while other keys wait for a place. */
const hurriedPullMs = 150
/** With more keys than this, others may soon want the places of those that have gone quiet. */
const fewKeys = 512

/** Works on one key until it is quiet and the server holds nothing for it; never rejects. */
export async function serveKey(worker: LaneWorker, state: LaneKey): Promise<void> {
  const { link, lane, keys, stopping } = worker
  while (!stopping.aborted) {
    try {
      await serveOnce(worker, state)
      if (state.hasConsumer && isQuiet(worker, state) && !(await holdsSomething(worker, state)) && isQuiet(worker, state)) break
    } catch (err) {
      if (stopping.aborted) break
      counted.openFailures(1, { lane, reason: isFull(err) ? 'full' : 'error' })
      link.log.warn({ err, lane, key: state.key }, 'lane could not be opened; trying again')
      await delay(retryMs(worker), undefined, { signal: stopping }).catch(() => undefined)
    }
  }
  keys.delete(state.key)
}

/** One pull and what comes of it. */
async function serveOnce(worker: LaneWorker, state: LaneKey): Promise<void> {
  if (!state.hasConsumer) await createConsumer(worker.link, worker.lane, state.key)
  const pulled = await pull(worker, state)
  state.hasConsumer = pulled.kind !== 'unanswered'
  if (pulled.kind !== 'message') return
  await handle(worker, state.key, pulled.msg, pulled.since)
  state.activeAt = performance.now()
}

async function pull(worker: LaneWorker, { key }: LaneKey): Promise<Pulled> {
  const { lane, jobs, places, pulls } = worker
  const startJob = await jobs.enter()
  startJob?.() // no message is taken from other workers while no job could start here
  const leave = await places.enter()
  if (!leave) return { kind: 'unanswered' }
  try {
    return await pulls.pull(lanes[lane].stream, consumerName(lane, key), pullMs(worker))
  } finally {
    leave()
  }
}

/** Open pulls can't be called back: one that is long for want of others would keep the first who comes waiting for as long. */
function pullMs({ places, keys, link }: LaneWorker): number {
  if (places.waiting > 0) return hurriedPullMs
  return keys.size > fewKeys ? link.settings.idlePullMs / 10 : link.settings.idlePullMs
}

function isQuiet({ link }: LaneWorker, { activeAt }: LaneKey): boolean {
  return performance.now() - activeAt >= link.settings.idlePullMs
}

/** A message may be with a worker that is gone: somebody has to pull when the server gives it out again. */
async function holdsSomething({ link, lane }: LaneWorker, { key }: LaneKey): Promise<boolean> {
  try {
    const { num_pending, num_ack_pending } = await link.jsm.consumers.info(lanes[lane].stream, consumerName(lane, key))
    return num_pending + num_ack_pending > 0
  } catch (err) {
    return !isMissing(err)
  }
}

/** Runs the job for a delivered message when a place is free, under a lease, and tells the server what became of it. */
async function handle(worker: LaneWorker, key: string, msg: Msg, since: number): Promise<void> {
  const { link, lane, jobs, leases } = worker
  using lease = holdLease(link, msg, since)
  leases.add(lease)
  const leave = await jobs.enter()
  try {
    if (!leave) return void lease.answer(nak()) // stopping: nothing was begun, another worker may have it at once
    if (!lease.isHeld()) return
    const verdict = await runJob(worker, key, msg, lease)
    if (lease.answer(verdict === 'ack' ? ack : nak(verdict.nakMs))) return
    counted.leaseLost(1, { lane })
    link.log.warn({ lane, key, err: lease.signal.reason }, 'job outlived its lease or its connection; its answer is not sent')
  } finally {
    leave?.()
    leases.delete(lease)
  }
}

async function runJob(worker: LaneWorker, key: string, msg: Msg, lease: Lease): Promise<Verdict> {
  const { link, lane, onJob } = worker
  const startedAt = performance.now()
  const header = (name: string) => msg.headers?.get(name) || undefined
  counted.jobs(1, { lane })
  try {
    return await withTrace(header, `lane ${lane}`, () => onJob(key, lease))
  } catch (err) {
    counted.jobsFailed(1, { lane })
    link.log.warn({ err, lane, key }, 'job failed; trying again')
    return { nakMs: retryMs(worker) }
  } finally {
    jobSeconds((performance.now() - startedAt) / 1000, { lane })
  }
}

/** 1–5 s; the spread keeps lanes that failed together from trying together. */
function retryMs({ link }: LaneWorker): number {
  return (1_000 + Math.random() * 4_000) * link.scale
}
