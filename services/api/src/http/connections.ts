import { z } from 'zod'
import { id, idParams, metaId, metaTimeoutMs, page, text, whole } from '../input.ts'
import { nextCursor, time } from '../response.ts'
import { chooseAgain, lookFirst, route } from '../route.ts'

const restriction = z
  .object({
    type: z.string(),
    forbids: z.string(),
    summary: z.string(),
    remediation: z.string(),
    ends_at: time,
    noted_at: time,
  })
  .meta({ id: 'Restriction' })

const connection = z
  .object({
    id: z.string(),
    name: z.string(),
    phone_number_id: z.string(),
    waba_id: z.string(),
    app_id: z.string(),
    display_phone_number: z.string(),
    verified_name: z.string(),
    per_minute: z.number(),
    per_second: z.number(),
    quality: z.string(),
    health: z.string(),
    health_reason: z.string(),
    messaging_limit: z.string(),
    restrictions: z.array(restriction),
    token_expires_at: time,
    data_access_expires_at: time,
    token_health: z.string(),
    token_checked_at: time,
    warnings: z.array(z.string()),
    connected_at: time,
    disconnected_at: time,
  })
  .meta({ id: 'Connection' })

/** More questions to Meta than any other request has. */
const signUpTimeoutMs = 30_000

export const createConnection = route({
  method: 'POST',
  audit: 'accounts',
  path: '/v1/connections',
  right: 'connections.write',
  summary:
    "Connects a WhatsApp number: asks Meta for it with the access token. The name is Meta's when none is given.",
  body: z.strictObject({
    name: text().optional(),
    phone_number_id: metaId,
    waba_id: metaId,
    app_id: id,
    access_token: text(4_096),
  }),
  status: 201,
  response: connection,
  errors: ['not_found', 'conflict', 'precondition'],
  afterLostResponse: { runs: 'same id' },
  run: (
    ctx,
    { body: { name = '', phone_number_id, waba_id, app_id, access_token }, newId: id },
    call,
  ) =>
    ctx.peers.accounts.createConnection(
      {
        id,
        name,
        phoneNumberId: phone_number_id,
        wabaId: waba_id,
        appId: app_id,
        accessToken: access_token,
      },
      { ...call, timeoutMs: metaTimeoutMs },
    ),
})

export const signUpConnection = route({
  method: 'POST',
  audit: 'accounts',
  path: '/v1/connections/sign-up',
  right: 'connections.write',
  summary:
    "Connects the number of a customer who went through Meta's Embedded Signup: code is what the browser got, waba_id and phone_number_id stand in its session info. pin registers a number that is not registered yet.",
  body: z.strictObject({
    name: text().optional(),
    app_id: id,
    code: text(4_096),
    waba_id: metaId,
    phone_number_id: metaId,
    pin: z
      .string()
      .regex(/^\d{6}$/, 'must be 6 digits')
      .optional(),
  }),
  status: 201,
  response: connection,
  errors: ['not_found', 'conflict', 'precondition'],
  afterLostResponse: { runs: 'same id' },
  run: (ctx, { body, newId: id }, call) =>
    ctx.peers.accounts.signUpConnection(
      {
        id,
        name: body.name ?? '',
        appId: body.app_id,
        code: body.code,
        wabaId: body.waba_id,
        phoneNumberId: body.phone_number_id,
        pin: body.pin ?? '',
      },
      { ...call, timeoutMs: signUpTimeoutMs },
    ),
})

export const listConnections = route({
  method: 'GET',
  path: '/v1/connections',
  right: 'connections.read',
  summary:
    'Lists the connected numbers, oldest first; ?cursor= is the next_cursor of the page before.',
  query: z.strictObject(page(id, 200)),
  response: z.object({ connections: z.array(connection), next_cursor: z.string().nullable() }),
  run: async (ctx, { query: { cursor = '', limit } }, call) => {
    const { connections } = await ctx.peers.accounts.listConnections({ after: cursor, limit }, call)
    return { connections, nextCursor: nextCursor(connections, limit, (row) => row.id) }
  },
})

export const getConnection = route({
  method: 'GET',
  path: '/v1/connections/:id',
  right: 'connections.read',
  summary: 'Shows a number: its health and why, its limits, and what to do something about.',
  params: idParams,
  response: connection,
  errors: ['not_found'],
  run: (ctx, { params }, call) => ctx.peers.accounts.getConnection(params, call),
})

export const renameConnection = route({
  method: 'PATCH',
  path: '/v1/connections/:id',
  right: 'connections.write',
  summary: 'Gives a number another name here; people see the name that Meta verified.',
  params: idParams,
  body: z.strictObject({ name: text() }),
  response: connection,
  errors: ['not_found'],
  audit: 'accounts',
  afterLostResponse: chooseAgain('/v1/connections/:id'),
  run: (ctx, { params: { id }, body: { name } }, call) =>
    ctx.peers.accounts.renameConnection({ id, name }, call),
})

export const setConnectionLimits = route({
  method: 'PUT',
  audit: 'accounts',
  path: '/v1/connections/:id/limits',
  right: 'connections.write',
  summary:
    'Sets how many messages a number sends per minute and per second, within what Meta allows it.',
  params: idParams,
  // More than Meta allows any number; what it allows this one is checked by `accounts`.
  body: z.strictObject({ per_minute: whole(1, 1_000_000), per_second: whole(1, 100_000) }),
  response: connection,
  errors: ['not_found'],
  afterLostResponse: 'Look at GET /v1/connections; setting the same limits again does no harm.',
  run: (ctx, { params: { id }, body: { per_minute, per_second } }, call) =>
    ctx.peers.accounts.setConnectionLimits(
      { id, perMinute: per_minute, perSecond: per_second },
      call,
    ),
})

export const replaceToken = route({
  method: 'PUT',
  audit: 'accounts',
  path: '/v1/connections/:id/token',
  right: 'connections.write',
  summary:
    "Replaces a number's access token, once Meta lets the new one use the number. A campaign that was paused for the old one can be resumed.",
  params: idParams,
  body: z.strictObject({ access_token: text(4_096) }),
  response: connection,
  errors: ['not_found', 'precondition'],
  afterLostResponse: 'Setting the same token again does no harm: send the request with a new key.',
  run: (ctx, { params: { id }, body: { access_token } }, call) =>
    ctx.peers.accounts.replaceToken(
      { id, accessToken: access_token },
      { ...call, timeoutMs: metaTimeoutMs },
    ),
})

export const disconnect = route({
  method: 'POST',
  audit: 'accounts',
  path: '/v1/connections/:id/disconnect',
  right: 'connections.write',
  summary:
    'Disconnects a number: it sends and hears nothing. Connected again in this account it is the same connection, with all its history.',
  params: idParams,
  response: connection,
  errors: ['not_found'],
  afterLostResponse: lookFirst('/v1/connections'),
  run: (ctx, { params }, call) => ctx.peers.accounts.disconnect(params, call),
})
