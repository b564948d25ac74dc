import { createLogger } from '@lockstep/telemetry'
import { FeedDefinition } from '../gen/lockstep/feed/v1/feed.ts'
import { connect, type RpcClient, serve } from '../src/index.ts'
import { serveSome } from './served.ts'

const log = createLogger({ service: 'test', level: 'silent' })
const request = { lane: '', maxEntries: 0, maxBytes: 0 }

interface Replica {
  /** How many calls it has had. */
  counted: { calls: number }
  port: number
  stop(): Promise<void>
}

/** Replicas of one service on loopback addresses, and clients of them; disposing stops all. */
export function replicas() {
  const stack = new AsyncDisposableStack()
  return {
    async replica(
      options: { port?: number; host?: string; maxConnectionAgeMs?: number } = {},
    ): Promise<Replica> {
      const counted = { calls: 0 }
      const take = async () => {
        counted.calls++
        return { entries: [], nextDueMs: undefined }
      }
      const served = [serveSome(FeedDefinition, { take }, ['take'])]
      const server = stack.use(await serve({ host: '127.0.0.1', port: 0, ...options, served, log }))
      return {
        counted,
        port: server.port,
        stop: async () => void (await server[Symbol.asyncDispose]()),
      }
    },
    client: (address: string): RpcClient<FeedDefinition> =>
      stack.use(connect(FeedDefinition, address)),
    call: (to: RpcClient<FeedDefinition>, times: number) =>
      Promise.all(Array.from({ length: times }, () => to.take(request, {}))),
    defer: (end: () => void) => stack.defer(end),
    async [Symbol.asyncDispose]() {
      await stack.disposeAsync()
    },
  }
}
