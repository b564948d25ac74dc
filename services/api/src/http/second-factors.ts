import { z } from 'zod'
import { idParams } from '../input.ts'
import { time } from '../response.ts'
import { route } from '../route.ts'
import { member } from './members.ts'
import { code, password } from './sessions.ts'

const secondFactor = z
  .object({ confirmed_at: time, recovery_codes_left: z.number() })
  .meta({ id: 'SecondFactor' })

const path = '/v1/me/second-factor'
const lookAgain = `Look at GET ${path}.`

export const getSecondFactor = route({
  method: 'GET',
  path,
  right: 'person',
  summary: 'Says since when signing in asks you for a code, and how many recovery codes are left.',
  response: secondFactor,
  run: (ctx, { caller: { personId } }, call) =>
    ctx.peers.accounts.getSecondFactor({ personId }, call),
})

export const startSecondFactor = route({
  method: 'POST',
  audit: 'accounts',
  path,
  right: 'person',
  summary:
    'Makes the secret of a second factor for an authenticator app (TOTP), for who says their password. It is in this response only, and does nothing until a code confirms it.',
  body: z.strictObject({ password }),
  status: 201,
  response: z.object({ secret: z.string().nullable(), uri: z.string().nullable() }),
  errors: ['not_found', 'conflict'],
  afterLostResponse: 'Make another one: it takes the place of one that was not confirmed.',
  shownOnce: ['secret', 'uri'],
  run: (ctx, { body, caller: { personId }, origin }, call) =>
    ctx.peers.accounts.startSecondFactor({ ...body, personId, origin }, call),
})

export const confirmSecondFactor = route({
  method: 'POST',
  audit: 'accounts',
  path: `${path}/confirm`,
  right: 'person',
  summary:
    'From now on signing in asks you for a code too. All your other sessions end. The recovery codes are in this response only, and each is good once in place of a code.',
  body: z.strictObject({ code }),
  response: z.object({ recovery_codes: z.array(z.string()).nullable() }),
  errors: ['precondition'],
  afterLostResponse: `${lookAgain} Without your recovery codes disable it, and set it up again.`,
  shownOnce: ['recovery_codes'],
  run: (ctx, { body, caller: { personId, sessionId }, origin }, call) =>
    ctx.peers.accounts.confirmSecondFactor({ ...body, personId, sessionId, origin }, call),
})

export const disableSecondFactor = route({
  method: 'POST',
  audit: 'accounts',
  path: `${path}/disable`,
  right: 'person',
  summary: 'Signing in asks you for no code any more, for who says their password and a code.',
  body: z.strictObject({ password, code }),
  response: secondFactor,
  errors: ['not_found', 'precondition'],
  afterLostResponse: lookAgain,
  run: (ctx, { body, caller: { personId }, origin }, call) =>
    ctx.peers.accounts.disableSecondFactor({ ...body, personId, origin }, call),
})

export const resetSecondFactor = route({
  method: 'DELETE',
  audit: 'accounts',
  path: '/v1/members/:id/second-factor',
  right: 'members.write',
  summary:
    'Takes the second factor of another member away, who has lost it; they must belong to this account only, and may do no more than you.',
  params: idParams,
  response: member,
  errors: ['not_found', 'conflict', 'precondition'],
  afterLostResponse: 'Look at GET /v1/members; taking it away again does no harm.',
  run: (ctx, { params, caller }, call) =>
    ctx.peers.accounts.resetSecondFactor({ ...params, heldRights: [...caller.rights] }, call),
})
