import { type Surroundings, startInProcess } from '@lockstep/system'
import type { Look, Order } from './processes.ts'
import { type Removable, removableGuards } from './without.ts'

let guards: Removable
const stack = new AsyncDisposableStack()
const anyPort = { grpc: 0, health: 0, http: 0 }

async function obey(order: Order): Promise<Look | undefined> {
  switch (order.do) {
    case 'start': {
      const { services, ports, isFirst, urls, scale } = order
      guards = removableGuards(Buffer.from(order.around.platformKey, 'hex'))
      const around: Surroundings = { ...order.around, postgresUrl: (service) => urls[service]! }
      // The first process has the ports that the others, and the clients, know.
      for (const service of services) {
        const own = isFirst ? ports : { ...ports, [service]: anyPort }
        stack.use(await startInProcess(own, around, [service], { scale, ...guards.overrides }))
      }
      return
    }
    case 'take':
      return guards.take(order.taken) as undefined
    case 'go':
      return guards.go(order.lane, order.key) as undefined
    case 'look':
      return { idle: guards.isIdle(), bites: guards.bites(), deadlocks: guards.deadlocks() }
    case 'stop':
      await stack.disposeAsync()
  }
}

process.on('message', async ({ id, order }: { id: number; order: Order }) => {
  try {
    process.send!({ id, value: await obey(order) })
  } catch (error) {
    process.send!({ id, error: (error as Error).stack ?? String(error) })
  }
  if (order.do === 'stop') process.disconnect()
})
process.on('disconnect', () => process.exit()) // stopped, or whoever started this process is gone
