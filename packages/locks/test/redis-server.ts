import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { locateServers, startRedis } from '@lockstep/servers'

export interface OwnRedis extends AsyncDisposable {
  url: string
  /** Kills the server. */
  kill(): Promise<void>
  /** Starts it again, empty, on the same port. */
  start(): Promise<void>
}

/** A redis-server that nobody else uses. */
export async function ownRedis(): Promise<OwnRedis> {
  const { redisServer, env } = await locateServers({
    root: fileURLToPath(new URL('../../..', import.meta.url)),
    which: ['redis'],
  })
  const dir = await mkdtemp(join(tmpdir(), 'lockstep-locks-'))
  let server = await startRedis({ dir, redisServer, env })
  const { url, port } = server
  return {
    url,
    kill: () => server.stop('SIGKILL'),
    async start() {
      server = await startRedis({ dir, redisServer, env, port })
    },
    async [Symbol.asyncDispose]() {
      await server.stop()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

export interface Proxy extends AsyncDisposable {
  url: string
  /**
   * `pass`: forwards. `cut`: the next reply is lost with its connection, then `pass`. `cut and close`: the same, then nobody
   * gets through. `silent`: replies on connections that exist now are swallowed for ever; new connections pass.
   */
  mode: 'pass' | 'cut' | 'cut and close' | 'silent'
}

/** A TCP proxy before a Redis that loses what real networks lose. */
export async function proxyTo(url: string): Promise<Proxy> {
  const sockets = new Set<Socket>()
  const silenced = new WeakSet<Socket>()
  let mode: Proxy['mode'] = 'pass'
  let closed = false
  const server = createServer((client) => {
    if (closed) return client.destroy()
    const upstream = connect(Number(new URL(url).port), '127.0.0.1')
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket
        .on('error', () => undefined)
        .on('close', () => [client, upstream].map((each) => each.destroy() && sockets.delete(each)))
    }
    client.pipe(upstream)
    upstream.on('data', (reply) => {
      if (silenced.has(client)) return
      if (mode === 'pass' || mode === 'silent') return void client.write(reply)
      closed = mode === 'cut and close'
      mode = 'pass'
      for (const socket of sockets) socket.destroy()
    })
  })
  await listening(server)
  return {
    url: `redis://127.0.0.1:${(server.address() as { port: number }).port}`,
    get mode() {
      return mode
    },
    set mode(next) {
      mode = next
      closed = false
      if (next === 'silent') for (const socket of sockets) silenced.add(socket)
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

function listening(server: Server): Promise<void> {
  return new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
}
