import { type LaneName, lanes, type ServiceName } from '@lockstep/contracts'
import type { Call } from '@lockstep/rpc'
import type { OwnDeadEntry } from '@lockstep/rpc/gen/feed'
import { z } from 'zod'
import type { Context } from '../context.ts'
import { oneOf, page, serial } from '../input.ts'
import { time } from '../response.ts'
import { lookFirst, route } from '../route.ts'

const path = '/v1/dead-letters'

const deadLetter = z
  .object({
    id: z.string(),
    lane: z.string(),
    key: z.string(),
    kind: z.string(),
    reason: z.string(),
    attempts: z.number(),
    created_at: time,
    dead_at: time,
  })
  .meta({ id: 'DeadLetter' })

const laneNames = Object.keys(lanes) as [LaneName, ...LaneName[]]
const lane = oneOf(laneNames)
/** In the order in which the list goes through them. */
const producers: readonly ServiceName[] = [
  ...new Set(laneNames.map((name) => lanes[name].producer)),
]

/** Ids are counted up by each service, so that a page ends at one of a service. */
const cursor = z
  .string()
  .regex(/^[a-z-]{1,32}:\d{1,18}$/, 'must be the next_cursor of the page before')
  .refine((text) => producers.includes(text.split(':')[0] as ServiceName), 'names no service')

export const listDeadLetters = route({
  method: 'GET',
  path,
  right: 'dead-letters.read',
  summary:
    'Lists work of the account that failed three times and waits for a person, by service, newest first: why it failed, and what of. ?lane= narrows it.',
  query: z.strictObject({ lane: lane.optional(), ...page(cursor, 500) }),
  response: z.object({ dead_letters: z.array(deadLetter), next_cursor: z.string().nullable() }),
  run: async (ctx, { query }, call) => {
    const { entries, next } = await readPage(ctx, query, call)
    return { deadLetters: entries, nextCursor: next }
  },
})

interface Asked {
  lane?: LaneName | undefined
  cursor?: string | undefined
  limit: number
}

/** Goes from service to service until the page is full. */
async function readPage(
  { feeds }: Context,
  { lane, cursor, limit }: Asked,
  call: Call,
): Promise<{ entries: OwnDeadEntry[]; next: string | null }> {
  const [first = producers[0]!, after = ''] = (cursor?.split(':') ?? []) as [ServiceName?, string?]
  const asked = lane ? [lanes[lane].producer] : producers.slice(producers.indexOf(first))
  const entries: OwnDeadEntry[] = []
  for (const service of asked) {
    const left = limit - entries.length
    const beforeId = service === first ? after : ''
    const found = await feeds[service]!.listOwnDead(
      { lane: lane ?? '', beforeId, limit: left },
      call,
    )
    entries.push(...found.entries)
    const last = found.entries.at(-1)
    if (last && entries.length === limit) return { entries, next: `${service}:${last.id}` }
  }
  return { entries, next: null }
}

const named = z.strictObject({
  lane,
  ids: z
    .array(serial, { error: 'must be a list of ids' })
    .min(1, 'must name at least one entry')
    .max(500, 'must name at most 500'),
})

export const replayDeadLetters = route({
  method: 'POST',
  path: `${path}/replay`,
  right: 'dead-letters.write',
  summary: 'Has entries of one lane tried again; those that are not there are passed over.',
  body: named,
  response: z.object({ replayed: z.number() }),
  audit: 'api',
  afterLostResponse: lookFirst(path),
  run: ({ feeds }, { body }, call) => feeds[lanes[body.lane].producer]!.replayOwn(body, call),
})

export const dismissDeadLetters = route({
  method: 'POST',
  path: `${path}/dismiss`,
  right: 'dead-letters.write',
  summary:
    'Gives entries of one lane up for good: what they held has no effect. Those that are not there are passed over.',
  body: named,
  response: z.object({ dismissed: z.number() }),
  audit: 'api',
  afterLostResponse: lookFirst(path),
  run: ({ feeds }, { body }, call) => feeds[lanes[body.lane].producer]!.dismissOwn(body, call),
})
