import { randomInt } from 'node:crypto'
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

/** A client's connection and the one that is made for it. */
interface Pair {
  client: Socket
  upstream: Socket
}

/** What happens to all that passes. */
interface Network {
  frozen: boolean
  /** How long the next piece to the server is on its way. */
  wayMs(): number
}

/** The answer's `url` is the same with the proxy's address. */
export async function openProxy(target: string): Promise<Proxy> {
  const { hostname, port } = new URL(target)
  const pairs = new Set<Pair>()
  const network: Network = { frozen: false, wayMs: () => 0 }
  const server = createServer((client) => {
    const pair = { client, upstream: connect(Number(port), hostname) }
    pairs.add(pair)
    join(pair, network, () => pairs.delete(pair))
  })
  const host = ownLoopback()
  const listen = async (at: number) => {
    server.listen(at, host)
    await once(server, 'listening')
    return (server.address() as { port: number }).port
  }
  const own = await listen(0)
  const down = async () => {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    for (const { client, upstream } of pairs) {
      client.destroy()
      upstream.destroy()
    }
    await closed
  }
  const setFrozen = (frozen: boolean) => {
    network.frozen = frozen
    for (const { client, upstream } of pairs)
      for (const each of [client, upstream]) flow(each, network)
  }
  return {
    url: urlAt(target, host, own),
    down,
    up: async () => void (await listen(own)),
    freeze: () => setFrozen(true),
    thaw: () => setFrozen(false),
    slow(minMs, maxMs = minMs) {
      network.wayMs = () => minMs + Math.random() * (maxMs - minMs)
    },
    [Symbol.asyncDispose]: down,
  }
}

/** An address that no other process listens at: while the proxy is down, nobody takes its port. */
function ownLoopback(): string {
  return `127.${1 + randomInt(254)}.${randomInt(256)}.${1 + randomInt(254)}`
}

function urlAt(target: string, host: string, port: number): string {
  const url = new URL(target)
  url.hostname = host
  url.port = String(port)
  return url.toString()
}

const flow = (socket: Socket, { frozen }: Network) => (frozen ? socket.pause() : socket.resume())

/** Passes each side's bytes to the other until one closes. */
function join({ client, upstream }: Pair, network: Network, onClose: () => void): void {
  const toServer = slowWay(upstream, network)
  client.on('data', toServer)
  upstream.on('data', (chunk) => client.write(chunk))
  for (const [from, to] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    from.on('error', () => to.destroy())
    from.on('close', () => {
      to.destroy()
      onClose()
    })
    flow(from, network)
  }
}

/** Writes pieces in their order, each after its time on the way. */
function slowWay(upstream: Socket, network: Network): (chunk: Buffer) => void {
  let arrived = Promise.resolve()
  let onTheWay = 0
  return (chunk) => {
    const ms = network.wayMs()
    if (ms <= 0 && onTheWay === 0) {
      upstream.write(chunk)
      return
    }
    const way = ms > 0 ? delay(ms) : undefined
    onTheWay += 1
    arrived = arrived
      .then(() => way)
      .then(() => {
        onTheWay -= 1
        upstream.write(chunk)
      })
  }
}
