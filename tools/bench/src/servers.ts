import { mkdir, mkdtemp } from 'node:fs/promises'
import path from 'node:path'
import { locateServers, type RunningServer, startRedis } from '@lockstep/servers'
import type { BenchContext } from './bench.ts'

const root = path.resolve(import.meta.dirname, '../../..')

export interface OwnServer extends AsyncDisposable {
  url: string
  pid: number
}

/** Makes a folder of its own for a run. */
export async function makeRunFolder(): Promise<string> {
  const parent = path.join(root, '.lockstep', 'bench')
  await mkdir(parent, { recursive: true })
  return mkdtemp(path.join(parent, 'run-'))
}

/** A redis-server for this bench alone. */
export async function ownRedis(ctx: BenchContext): Promise<OwnServer> {
  const { redisServer, env } = await locateServers({ root, which: ['redis'], log: ctx.say })
  return own(
    ctx,
    'redis',
    await startRedis({ dir: await mkdtemp(path.join(ctx.dir, 'redis-')), redisServer, env }),
  )
}

function own(ctx: BenchContext, name: string, { url, pid, stop }: RunningServer): OwnServer {
  return {
    url,
    pid,
    async [Symbol.asyncDispose]() {
      ctx.watch(name, pid)
      await stop()
    },
  }
}
