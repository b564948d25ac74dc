import { z } from 'zod'
import { text } from '../input.ts'
import { route } from '../route.ts'
import { password, signedIn } from './sessions.ts'

/** The token is the part of the link after "#". */
const token = z
  .string({ error: 'must be the token of a link' })
  .regex(/^li_[\w-]{43}$/, 'must be the part of a link after "#": "li_" and 43 characters')

export const acceptInvitation = route({
  method: 'POST',
  path: '/v1/invitations/accept',
  right: 'anyone',
  summary:
    'Makes who has the link a member, and signs them in. A new person chooses a name and a password, one who is known says theirs.',
  body: z.strictObject({
    token,
    email: text(254).optional(),
    name: text(100).optional(),
    password,
  }),
  status: 201,
  response: signedIn,
  errors: ['not_found', 'conflict'],
  afterLostResponse: 'Sign in: the link is good once, and may have been used.',
  run: async (ctx, { body, cookie, origin }, call) => {
    const done = await ctx.peers.accounts.acceptInvitation({ ...body, origin }, call)
    cookie.begin(done.token, done.session!.endsAtMs)
    return done
  },
})
