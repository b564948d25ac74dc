import { everyRight, rights } from '@lockstep/contracts'
import { z } from 'zod'
import { hourMs, id, idParams, page, text, timeText, whole } from '../input.ts'
import { nextCursor, time } from '../response.ts'
import { route } from '../route.ts'

const apiKey = z
  .object({
    id: z.string(),
    name: z.string(),
    rights: z.array(z.string()),
    prefix: z.string(),
    created_at: time,
    expires_at: time,
    withdrawn_at: time,
    last_used_at: time,
  })
  .meta({ id: 'ApiKey' })
const createdKey = z
  .object({ api_key: apiKey, key: z.string().nullable() })
  .meta({ id: 'CreatedApiKey' })

const path = '/v1/api-keys'
const afterLostResponse = `Look at GET ${path}: withdraw a key whose text nobody has, and create another.`
const names = [everyRight, ...Object.keys(rights)]

/** The text of a key is in the response to its creation, and nowhere else. */
export const createApiKey = route({
  method: 'POST',
  audit: 'accounts',
  path,
  right: 'keys.write',
  summary:
    'Creates an API key with some of your own rights. Its text is in this response only; keep it safe.',
  body: z.strictObject({
    name: text(),
    rights: z
      .array(z.enum(names, { error: `must be one of ${names.join(', ')}` }), {
        error: 'must be a list of rights',
      })
      .min(1, 'must name at least one right')
      .max(names.length, 'must name each right once'),
    expires_at: timeText.optional(),
  }),
  status: 201,
  response: createdKey,
  afterLostResponse,
  shownOnce: ['key'],
  run: (ctx, { body: { name, rights, expires_at: expiresAtMs }, caller }, call) =>
    ctx.peers.accounts.createApiKey(
      { name, rights, expiresAtMs, heldRights: [...caller.rights] },
      call,
    ),
})

export const listApiKeys = route({
  method: 'GET',
  path,
  right: 'keys.read',
  summary: 'Lists the API keys, oldest first, with what each may do and when it was last used.',
  query: z.strictObject(page(id, 200)),
  response: z.object({ api_keys: z.array(apiKey), next_cursor: z.string().nullable() }),
  run: async (ctx, { query: { cursor = '', limit } }, call) => {
    const { apiKeys } = await ctx.peers.accounts.listApiKeys({ after: cursor, limit }, call)
    return { apiKeys, nextCursor: nextCursor(apiKeys, limit, (row) => row.id) }
  },
})

/** Programs take the new key while the one before is still good. */
export const rotateApiKey = route({
  method: 'POST',
  audit: 'accounts',
  path: `${path}/:id/rotate`,
  right: 'keys.write',
  summary:
    'Creates a key with the name, rights and end of this one, which stays good for some hours.',
  params: idParams,
  body: z.strictObject({ overlap_hours: whole(0, 720).default(24) }),
  status: 201,
  response: createdKey,
  errors: ['not_found', 'conflict'],
  afterLostResponse,
  shownOnce: ['key'],
  run: (ctx, { params, body: { overlap_hours }, caller }, call) =>
    ctx.peers.accounts.rotateApiKey(
      { ...params, previousValidMs: overlap_hours * hourMs, heldRights: [...caller.rights] },
      call,
    ),
})

export const withdrawApiKey = route({
  method: 'POST',
  audit: 'accounts',
  path: `${path}/:id/withdraw`,
  right: 'keys.write',
  summary:
    'Ends a key: within a second it is refused everywhere. Withdrawing it again does no harm.',
  params: idParams,
  response: apiKey,
  errors: ['not_found'],
  afterLostResponse: 'Withdrawing it again does no harm: send the request with a new key.',
  run: (ctx, { params, caller }, call) =>
    ctx.peers.accounts.withdrawApiKey({ ...params, heldRights: [...caller.rights] }, call),
})
