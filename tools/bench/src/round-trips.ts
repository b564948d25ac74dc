import { once } from 'node:events'
import { connect, createServer } from 'node:net'

export interface RoundTrips extends AsyncDisposable {
  url: string
  /** How often a client had to wait for an answer before it went on, so far. */
  count(): number
}

/** A TCP proxy that counts round trips: each time a client speaks after the server has. */
export async function countRoundTrips(url: string): Promise<RoundTrips> {
  const { port: target } = new URL(url)
  let trips = 0
  const server = createServer((client) => {
    const upstream = connect(Number(target), '127.0.0.1')
    let asked = false
    client.on('data', (request) => {
      if (!asked) trips += 1
      asked = true
      upstream.write(request)
    })
    upstream.on('data', (answer) => {
      asked = false
      client.write(answer)
    })
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const)
      socket.on('error', () => undefined).on('close', () => other.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `redis://127.0.0.1:${(server.address() as { port: number }).port}`,
    count: () => trips,
    [Symbol.asyncDispose]: async () => void server.close(),
  }
}
