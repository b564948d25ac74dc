import { setTimeout as delay } from 'node:timers/promises'
import { Pool } from 'undici'
import { type Round, repeat } from './measure.ts'

/** Bodies to be posted, made and signed before so that this costs the measured program nothing. */
export interface Load {
  url: string
  bodies: { raw: Buffer; headers: Record<string, string>; path?: string }[]
  /** How many POSTs; the bodies are sent in turn. */
  posts: number
  connections: number
  /** POSTs a second; as fast as they are answered when it is left out. */
  perSecond?: number
}

export interface LoadReport extends Round {
  /** POSTs that were answered 200. */
  answered: number
  /** When each POST began, or was due, ms since 1970. */
  startedAtMs: Float64Array
}

async function send(
  pool: Pool,
  { url, bodies, posts, connections, perSecond }: Load,
): Promise<LoadReport> {
  const { pathname } = new URL(url)
  const startedAtMs = new Float64Array(posts)
  const from = Date.now()
  let answered = 0
  const round = await repeat(posts, connections, async (i) => {
    const dueMs = perSecond ? from + (i * 1000) / perSecond : Date.now()
    if (dueMs > Date.now()) await delay(dueMs - Date.now())
    startedAtMs[i] = dueMs
    const { raw, headers, path = pathname } = bodies[i % bodies.length]!
    const answer = await pool.request({
      path,
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: raw,
    })
    await answer.body.dump()
    if (answer.statusCode === 200) answered += 1
  })
  return { ...round, answered, startedAtMs }
}

const pools = new Map<string, Pool>()

process.on('message', async (load: Load) => {
  const { origin } = new URL(load.url)
  const pool = pools.get(origin) ?? new Pool(origin, { connections: load.connections })
  pools.set(origin, pool)
  process.send?.(await send(pool, load))
})
process.once('disconnect', () => process.exit())
process.send?.('ready')
