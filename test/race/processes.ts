import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import type { LaneName, ServiceName } from '@lockstep/contracts'
import type { PortPlan, Surroundings } from '@lockstep/system'
import type { TestSystem } from '@lockstep/testing/system'
import type { Taken } from './without.ts'

/** The services of which every process runs all. */
const contested: ServiceName[] = ['contacts', 'templates', 'campaigns', 'conversations', 'events']

/** What a process is told to do; each order is answered once it is done. */
export type Order =
  | {
      do: 'start'
      services: ServiceName[]
      ports: PortPlan
      isFirst: boolean
      around: Omit<Surroundings, 'postgresUrl'>
      urls: Record<string, string>
      scale: number
    }
  | { do: 'take'; taken: Taken }
  | { do: 'go'; lane: LaneName; key: string }
  | { do: 'look' }
  | { do: 'stop' }

export interface Look {
  idle: boolean
  /** How often each mutation has changed a statement. */
  bites: number[]
  /** How many transactions PostgreSQL has ended as deadlocked. */
  deadlocks: number
}

/** Several processes of the real services that work side by side, each of which can lose guards. */
export interface Processes extends AsyncDisposable {
  /** Takes guards away from all of them, and gives back what was taken before. */
  take(taken: Taken): Promise<void>
  /** Has all of them work on a key of a lane at the same time. */
  go(lane: LaneName, key: string): Promise<void>
  look(): Promise<Look[]>
}

/** Starts them one after the other; the first has the ports of the system's port plan. */
export async function startProcesses(
  system: TestSystem,
  count: number,
  scale: number,
): Promise<Processes> {
  await using stack = new AsyncDisposableStack()
  const { ports, surroundings } = system
  const { postgresUrl, ...around } = surroundings
  const urls = Object.fromEntries(contested.map((service) => [service, postgresUrl(service)]))
  const children: Child[] = []
  for (let i = 0; i < count; i++) {
    const child = stack.use(startChild())
    children.push(child)
    await child.order({
      do: 'start',
      services: contested,
      ports,
      isFirst: i === 0,
      around,
      urls,
      scale,
    })
  }
  const started = stack.move()
  const all = (order: Order) => Promise.all(children.map((child) => child.order(order)))
  return {
    take: async (taken) => void (await all({ do: 'take', taken })),
    go: async (lane, key) => void (await all({ do: 'go', lane, key })),
    look: async () => (await all({ do: 'look' })) as Look[],
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}

interface Child extends AsyncDisposable {
  order(order: Order): Promise<Look | undefined>
}

function startChild(): Child {
  const child = fork(path.join(import.meta.dirname, 'worker.ts'), {
    execArgv: [],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const ended = once(child, 'exit')
  const waiting = new Map<number, PromiseWithResolvers<Look | undefined>>()
  let orders = 0
  child.on('message', ({ id, value, error }: { id: number; value?: Look; error?: string }) => {
    if (error) waiting.get(id)?.reject(new Error(error))
    else waiting.get(id)?.resolve(value)
    waiting.delete(id)
  })
  child.on('exit', (code, signal) => {
    for (const { reject } of waiting.values())
      reject(new Error(`A process of the race ended (${signal ?? code})`))
  })
  const order = (what: Order) => {
    const answer = Promise.withResolvers<Look | undefined>()
    waiting.set(++orders, answer)
    child.send({ id: orders, order: what })
    return answer.promise
  }
  return { order, [Symbol.asyncDispose]: () => stop(child, order, ended) }
}

async function stop(
  child: ChildProcess,
  order: Child['order'],
  ended: Promise<unknown[]>,
): Promise<void> {
  const isRunning = () => child.exitCode === null && child.signalCode === null
  if (isRunning()) await order({ do: 'stop' }).catch(() => undefined)
  const timer = setTimeout(() => isRunning() && child.kill('SIGKILL'), 10_000)
  await ended
  clearTimeout(timer)
}
