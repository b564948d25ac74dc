import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { until } from '@lockstep/testing'
import { test, vi } from 'vitest'
import { replicas } from './replicas.ts'

// Lets an address name its own name server; read when grpc-js is loaded.
vi.hoisted(() => {
  process.env.GRPC_NODE_USE_ALTERNATIVE_RESOLVER = 'true'
})

/** A name server that knows one name; its addresses may change. */
async function nameServer(
  world: ReturnType<typeof replicas>,
  addresses: string[],
): Promise<string> {
  const socket = createSocket('udp4', (query, from) => {
    const question = query.subarray(12, query.indexOf(0, 12) + 5)
    const isAddress = question.readUInt16BE(question.length - 4) === 1
    const records = (isAddress ? addresses : []).map((address) =>
      Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...address.split('.').map(Number)]),
    )
    const head = Buffer.from([
      ...query.subarray(0, 2),
      0x81,
      0x80,
      0,
      1,
      0,
      records.length,
      0,
      0,
      0,
      0,
    ])
    socket.send(Buffer.concat([head, question, ...records]), from.port, from.address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  world.defer(() => void socket.close())
  return `//127.0.0.1:${socket.address().port}/`
}

test('all addresses of one name get calls, and a replica that is new in it gets its share when connections have aged', async () => {
  await using world = replicas()
  const one = await world.replica({ maxConnectionAgeMs: 300 })
  const two = await world.replica({ host: '127.0.0.2', port: one.port, maxConnectionAgeMs: 300 })
  const addresses = ['127.0.0.1', '127.0.0.2']
  const all = world.client(`${await nameServer(world, addresses)}feed.test:${one.port}`)
  await until(
    async () => (await world.call(all, 2)) && one.counted.calls > 0 && two.counted.calls > 0,
  )
  const three = await world.replica({ host: '127.0.0.3', port: one.port })
  addresses.push('127.0.0.3')
  await until(async () => (await world.call(all, 2)) && three.counted.calls > 0)
})
