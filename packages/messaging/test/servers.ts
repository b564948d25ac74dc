import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { LaneName } from '@lockstep/contracts'
import { locateServers, startNats } from '@lockstep/servers'
import { createLogger } from '@lockstep/telemetry'
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { expect, vi } from 'vitest'
import {
  type AssignedPartition,
  type Messaging,
  type MessagingOptions,
  openMessaging,
} from '../src/index.ts'

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 }) // several tests wait for ack_wait to pass

/** Makes ack_wait 1.5 s and the idle time of a pull 0.25 s. */
export const scale = 0.05

/** A nats-server of one test file, which can be killed, emptied and started again on its port. */
export interface OwnNats extends AsyncDisposable {
  url: string
  start(): Promise<void>
  kill(): Promise<void>
  deleteStore(): Promise<void>
}

export async function ownNats(): Promise<OwnNats> {
  const root = fileURLToPath(new URL('../../..', import.meta.url))
  const { natsServer, env } = await locateServers({ root, which: ['nats'] })
  const dir = await mkdtemp(join(tmpdir(), 'lockstep-nats-'))
  let server = await startNats({ dir, natsServer, env })
  const { port, url } = server
  return {
    url,
    async start() {
      server = await startNats({ dir, natsServer, env, port })
    },
    kill: () => server.stop('SIGKILL'),
    deleteStore: () => rm(join(dir, 'nats'), { recursive: true }),
    async [Symbol.asyncDispose]() {
      await server.stop()
      await rm(dir, { recursive: true })
    },
  }
}

/** Log lines that a test may look at. */
export function collectLog() {
  const lines: { msg: string }[] = []
  const log = createLogger({
    service: 'test',
    to: { write: (line) => lines.push(JSON.parse(line)) },
  })
  return { log, said: (part: string) => lines.filter(({ msg }) => msg.includes(part)).length }
}

export function messagingOn(url: string, options: Partial<MessagingOptions> = {}) {
  return openMessaging({ url, name: 'test', scale, log: collectLog().log, ...options })
}

/** Does a job for each partition that is given out, and gives it back when the job ends; one that throws gives it back to be done again. */
export function workOn(
  messaging: Messaging,
  lane: LaneName,
  job: (partition: number, lease: AssignedPartition['lease']) => Promise<unknown>,
  options?: { drainMs?: number },
): Promise<AsyncDisposable> {
  const onAssigned = (held: AssignedPartition) =>
    void job(held.partition, held.lease).then(
      () => held.release(),
      () => held.release({ again: true }),
    )
  return messaging.consumeLane(lane, { onAssigned, onWakeUp: () => undefined }, options)
}

/** JetStream's own view, over a connection of its own. */
export async function openManager(
  url: string,
): Promise<{ jsm: JetStreamManager } & AsyncDisposable> {
  const nc = await connect({ servers: url })
  return { jsm: await jetstreamManager(nc), [Symbol.asyncDispose]: () => nc.close() }
}

/** Waits until it holds; ack_wait and back-off pass in between. */
export const eventually = (look: () => unknown) =>
  expect.poll(look, { timeout: 20_000, interval: 10 })

/** A worker in a process of its own; see `worker-process.ts`. */
export async function spawnWorker(options: {
  url: string
  lane: string
  job: string
  lockFile?: string
}) {
  const child: ChildProcess = fork(new URL('./worker-process.ts', import.meta.url), [
    JSON.stringify({ ...options, scale }),
  ])
  const heard: string[] = []
  child.on('message', (message) => heard.push(String(message)))
  await eventually(() => heard).toContain('ready')
  return {
    child,
    count: (message: string) => heard.filter((each) => each === message).length,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    },
  }
}
