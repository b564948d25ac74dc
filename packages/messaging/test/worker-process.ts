import { open, unlink } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import type { LaneName } from '@lockstep/contracts'
import { createLogger } from '@lockstep/telemetry'
import { type AssignedPartition, type Lease, openMessaging } from '../src/index.ts'

const { url, lane, scale, job, lockFile } = JSON.parse(process.argv[2]!) as {
  url: string
  lane: LaneName
  scale: number
  job: keyof typeof jobs
  lockFile: string
}
const tell = (message: string) => process.send!(message)

const jobs = {
  async nothing() {},
  /** Notices any other job at the same time: the file must not be there. */
  async exclusive() {
    const file = await open(lockFile, 'wx').catch(() => tell('overlap'))
    await delay(3)
    if (typeof file === 'object') {
      await file.close()
      await unlink(lockFile)
    }
  },
  /** Blocks the event loop for longer than ack_wait, so that no timer of the lease can fire. */
  async block() {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3_000)
  },
  /** Runs until the lease is lost, then answers as if nothing had happened. */
  async untilLost(lease: Lease) {
    await new Promise((resolve) => lease.signal.addEventListener('abort', resolve))
  },
}

const messaging = await openMessaging({
  url,
  name: 'worker',
  scale,
  log: createLogger({ service: 'worker', level: 'silent' }),
})
const onAssigned = async ({ lease, release }: AssignedPartition) => {
  tell('started')
  await jobs[job](lease)
  setImmediate(() => tell('finished'))
  release()
}
await messaging.consumeLane(lane, { onAssigned, onWakeUp: () => undefined })
tell('ready')
