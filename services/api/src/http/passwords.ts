import { linkTo } from '@lockstep/contracts'
import { z } from 'zod'
import { idParams, text } from '../input.ts'
import { time } from '../response.ts'
import { route } from '../route.ts'
import { password, person } from './sessions.ts'

export const createPasswordReset = route({
  method: 'POST',
  audit: 'accounts',
  path: '/v1/members/:id/password-reset',
  right: 'members.write',
  summary:
    'Makes a link by which a member chooses another password; they must belong to this account only. It is in this response only, and good once, for a day; where a mail server is configured it is mailed too.',
  params: idParams,
  status: 201,
  response: z.object({ link: z.string().nullable(), expires_at: time }),
  errors: ['not_found', 'precondition'],
  afterLostResponse: 'Make another one: a link that nobody has ends by itself.',
  shownOnce: ['link'],
  run: async (ctx, { params, caller }, call) => {
    const asked = { ...params, heldRights: [...caller.rights] }
    const { token, expiresAtMs } = await ctx.peers.accounts.createPasswordReset(asked, call)
    return { link: linkTo(ctx.config.publicUrl, 'password-reset', token), expiresAtMs }
  },
})

export const requestPasswordReset = route({
  method: 'POST',
  audit: 'accounts',
  path: '/v1/password-resets',
  right: 'anyone',
  summary:
    'Mails a link to another password to who forgot theirs. The answer is the same for an e-mail that is nobody’s.',
  body: z.strictObject({ email: text(254) }),
  status: 202,
  response: z.object({}),
  errors: ['precondition'],
  afterLostResponse: 'Ask again: a link that nobody has ends by itself.',
  run: (ctx, { body, origin }, call) =>
    ctx.peers.accounts.requestPasswordReset({ ...body, origin }, call),
})

const token = z
  .string({ error: 'must be the token of a link' })
  .regex(/^lr_[\w-]{43}$/, 'must be the part of a link after "#": "lr_" and 43 characters')

export const resetPassword = route({
  method: 'POST',
  audit: 'accounts',
  path: '/v1/password-resets/use',
  right: 'anyone',
  summary:
    'Gives who has the link another password. They are signed out everywhere, and sign in with the new one.',
  body: z.strictObject({ token, password }),
  response: person,
  errors: ['not_found', 'precondition'],
  afterLostResponse:
    'Sign in with the new password: the link is good once, and may have been used.',
  run: (ctx, { body, origin }, call) => ctx.peers.accounts.resetPassword({ ...body, origin }, call),
})

export const changePassword = route({
  method: 'PUT',
  audit: 'accounts',
  path: '/v1/me/password',
  right: 'person',
  summary: 'Changes your own password. All your other sessions end.',
  body: z.strictObject({ password, new_password: password }),
  response: person,
  errors: ['not_found', 'conflict'],
  afterLostResponse: 'Sign in with the new password, and with the one before if it is refused.',
  run: (ctx, { body, caller: { personId, sessionId }, origin }, call) => {
    const { password, new_password: newPassword } = body
    const asked = { personId, sessionId, password, newPassword, origin }
    return ctx.peers.accounts.changePassword(asked, call)
  },
})
