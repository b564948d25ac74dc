import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/** A TCP proxy before a server, which a test takes away and gives back. */
export interface Proxy extends AsyncDisposable {
  url: string
  /** Breaks all connections and refuses new ones. */
  down(): Promise<void>
  up(): Promise<void>
  /** Lets nothing through any more, though connections stay open: a half-open network. */
  freeze(): void
  thaw(): void
  /** Delays each piece to the server for so long, or for a random time in between. */
  slow(minMs: number, maxMs?: number): void
}

/** The answer's `url` is the same with the proxy's address. */
export async function openProxy(target: string): Promise<Proxy> {
  const { hostname, port } = new URL(target)
  const pairs = new Set<[Socket, Socket]>()
  let frozen = false
  let wayMs = () => 0
  const flow = (socket: Socket) => (frozen ? socket.pause() : socket.resume())
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname)
    const pair: [Socket, Socket] = [client, upstream]
    pairs.add(pair)
    let arrived = Promise.resolve()
    let onTheWay = 0
    const pass = (chunk: Buffer) => {
      const ms = wayMs()
      const way = ms > 0 ? delay(ms) : undefined
      onTheWay += 1
      arrived = arrived
        .then(() => way)
        .then(() => {
          onTheWay -= 1
          upstream.write(chunk)
        })
    }
    for (const [from, to] of [pair, [upstream, client] as const]) {
      from.on('data', (chunk: Buffer) =>
        from === client && (wayMs() > 0 || onTheWay > 0) ? pass(chunk) : to.write(chunk),
      )
      from.on('error', () => to.destroy())
      from.on('close', () => {
        to.destroy()
        pairs.delete(pair)
      })
      flow(from)
    }
  })
  const listen = async (at: number) => {
    server.listen(at, '127.0.0.1')
    await once(server, 'listening')
    return (server.address() as { port: number }).port
  }
  const own = await listen(0)
  const url = new URL(target)
  url.hostname = '127.0.0.1'
  url.port = String(own)
  const down = async () => {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    for (const [client, upstream] of pairs) {
      client.destroy()
      upstream.destroy()
    }
    await closed
  }
  const setFrozen = (value: boolean) => {
    frozen = value
    for (const pair of pairs) for (const socket of pair) flow(socket)
  }
  return {
    url: url.toString(),
    down,
    up: async () => void (await listen(own)),
    freeze: () => setFrozen(true),
    thaw: () => setFrozen(false),
    slow(minMs, maxMs = minMs) {
      wayMs = () => minMs + Math.random() * (maxMs - minMs)
    },
    [Symbol.asyncDispose]: down,
  }
}
