import { setTimeout as delay } from 'node:timers/promises'
import { consumerName, lanes } from '@lockstep/contracts'
import type { Msg } from '@nats-io/nats-core'
import { createConsumer, isFull, isMissing, purgeLeaked } from './consumers.ts'
import type { LaneWorker, Partition } from './lane.ts'
import { ack, holdLease, nak } from './lease.ts'
import { counted } from './metrics.ts'
import type { PullResult } from './pulls.ts'

interface State {
  worker: LaneWorker
  number: number
  /** When it was last woken or released, on the monotonic clock. */
  activeAt: number
  isAssigned: boolean
  hasConsumer: boolean
}

/** How long a pull stays open while other partitions wait for a place. */
const hurriedPullMs = 150

/** Serves a partition until it is idle and the server has no message for it. */
export function openPartition(worker: LaneWorker, number: number): Partition {
  const state: State = {
    worker,
    number,
    activeAt: performance.now(),
    isAssigned: false,
    hasConsumer: false,
  }
  return {
    wake() {
      state.activeAt = performance.now()
      if (state.isAssigned) worker.listener.onWakeUp(number)
      else worker.pulls.expect(consumerName(worker.lane, number))
    },
    served: serve(state),
  }
}

/** Never rejects. */
async function serve(state: State): Promise<void> {
  const { link, lane, partitions, stopping } = state.worker
  while (!stopping.aborted) {
    try {
      await serveOnce(state)
      if (isIdle(state) && !(await hasMessages(state)) && isIdle(state)) break
    } catch (err) {
      if (stopping.aborted) break
      counted.openFailures(1, { lane, reason: isFull(err) ? 'full' : 'error' })
      link.log.warn(
        { err, lane, partition: state.number },
        'partition could not be opened; trying again',
      )
      await delay(retryMs(state), undefined, { signal: stopping }).catch(() => undefined)
    }
  }
  partitions.delete(state.number)
}

const isIdle = ({ worker, activeAt, hasConsumer }: State): boolean =>
  hasConsumer && performance.now() - activeAt >= worker.link.settings.idlePullMs

/** One pull and what comes of it. */
async function serveOnce(state: State): Promise<void> {
  const { worker, number } = state
  if (!state.hasConsumer) await createConsumer(worker.link, worker.lane, number)
  const pulled = await pull(state)
  state.hasConsumer = pulled.kind !== 'unanswered'
  if (pulled.kind !== 'message') return
  await assign(state, pulled.msg, pulled.since)
  state.activeAt = performance.now()
}

async function pull({ worker, number }: State): Promise<PullResult> {
  const { link, lane, places, pulls } = worker
  const release = await places.acquire()
  if (!release) return { kind: 'unanswered' }
  try {
    const expiresMs = places.waiting > 0 ? hurriedPullMs * link.scale : link.settings.idlePullMs
    return await pulls.pull(lanes[lane].stream, consumerName(lane, number), expiresMs)
  } finally {
    release()
  }
}

/** Whether the server has a message to give out, now or later; others are purged. */
async function hasMessages({ worker: { link, lane }, number }: State): Promise<boolean> {
  try {
    const { num_pending, num_ack_pending, delivered } = await link.jsm.consumers.info(
      lanes[lane].stream,
      consumerName(lane, number),
    )
    if (num_pending + num_ack_pending > 0) return true
    await purgeLeaked(link, lane, number, delivered.stream_seq)
    return false
  } catch (err) {
    return !isMissing(err)
  }
}

/** Assigns the partition under a lease, and resolves when it is released or the lease is lost. */
async function assign(state: State, msg: Msg, since: number): Promise<void> {
  const { worker, number } = state
  const { link, lane, leases, listener, stopping } = worker
  using lease = holdLease(link, msg, since)
  if (stopping.aborted) {
    lease.answer(nak()) // nothing was begun, another worker may have it at once
    return void (await lease.answered)
  }
  const released = Promise.withResolvers<void>()
  lease.signal.addEventListener('abort', () => released.resolve())
  leases.add(lease)
  state.isAssigned = true
  counted.assignments(1, { lane })
  listener.onAssigned({
    partition: number,
    lease,
    header: (name) => msg.headers?.get(name) || undefined,
    release({ again = false } = {}) {
      const sent = lease.answer(again ? nak() : ack)
      released.resolve()
      return sent
    },
  })
  await released.promise
  state.isAssigned = false
  await lease.answered
  leases.delete(lease)
  if (!lease.signal.aborted) return
  counted.leaseLost(1, { lane })
  link.log.warn(
    { lane, partition: number, err: lease.signal.reason },
    'the lease of a partition was lost',
  )
}

/** 1–5 s; the spread keeps partitions that failed together from trying together. */
function retryMs({ worker }: State): number {
  return (1_000 + Math.random() * 4_000) * worker.link.scale
}
