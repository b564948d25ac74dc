import { linkTo } from '@lockstep/contracts'
import { z } from 'zod'
import { id, idParams, page, text } from '../input.ts'
import { nextCursor, textOrNull, time } from '../response.ts'
import { lookFirst, route } from '../route.ts'
import { role } from './members.ts'
import { code, password, signedIn } from './sessions.ts'

const invitation = z
  .object({
    id: z.string(),
    email: z.string(),
    role: z.string(),
    created_at: time,
    expires_at: time,
    accepted_at: time,
    withdrawn_at: time,
    mailed_at: time,
    mail_error: textOrNull,
  })
  .meta({ id: 'Invitation' })

const path = '/v1/invitations'

/** Mail is not needed: who invites can send the link as they like. */
export const createInvitation = route({
  method: 'POST',
  audit: 'accounts',
  path,
  right: 'members.write',
  summary:
    'Invites somebody to the account, with some of your own rights. The link is in this response only, and good once, for 7 days; where a mail server is configured it is mailed too.',
  body: z.strictObject({ email: text(254), role }),
  status: 201,
  response: z.object({ invitation, link: z.string().nullable() }),
  afterLostResponse: lookFirst(path),
  shownOnce: ['link'],
  run: async (ctx, { body, caller }, call) => {
    const asked = { ...body, heldRights: [...caller.rights] }
    const { invitation, token } = await ctx.peers.accounts.createInvitation(asked, call)
    return { invitation, link: linkTo(ctx.config.publicUrl, 'invitation', token) }
  },
})

export const listInvitations = route({
  method: 'GET',
  path,
  right: 'members.read',
  summary: 'Lists who was invited, oldest first, and what became of it.',
  query: z.strictObject(page(id, 200)),
  response: z.object({ invitations: z.array(invitation), next_cursor: z.string().nullable() }),
  run: async (ctx, { query: { cursor = '', limit } }, call) => {
    const { invitations } = await ctx.peers.accounts.listInvitations({ after: cursor, limit }, call)
    return { invitations, nextCursor: nextCursor(invitations, limit, (row) => row.id) }
  },
})

export const withdrawInvitation = route({
  method: 'POST',
  audit: 'accounts',
  path: `${path}/:id/withdraw`,
  right: 'members.write',
  summary: 'Ends an invitation: its link is no good any more. Withdrawing it again does no harm.',
  params: idParams,
  response: invitation,
  errors: ['not_found', 'conflict'],
  afterLostResponse: 'Withdrawing it again does no harm: send the request with a new key.',
  run: (ctx, { params, caller }, call) =>
    ctx.peers.accounts.withdrawInvitation({ ...params, heldRights: [...caller.rights] }, call),
})

/** The token is the part of the link after "#". */
const token = z
  .string({ error: 'must be the token of a link' })
  .regex(/^li_[\w-]{43}$/, 'must be the part of a link after "#": "li_" and 43 characters')

export const acceptInvitation = route({
  method: 'POST',
  audit: 'accounts',
  path: `${path}/accept`,
  right: 'anyone',
  summary:
    'Makes who has the link a member, and signs them in. A new person chooses a name and a password, one who is known says theirs, and the code of a second factor.',
  body: z.strictObject({
    token,
    email: text(254).optional(),
    name: text(100).optional(),
    password,
    code: code.optional(),
  }),
  status: 201,
  response: signedIn,
  errors: ['not_found', 'conflict', 'precondition'],
  afterLostResponse: 'Sign in: the link is good once, and may have been used.',
  run: async (ctx, { body, cookie, origin }, call) => {
    const done = await ctx.peers.accounts.acceptInvitation({ ...body, origin }, call)
    cookie.begin(done.token, done.session!.endsAtMs)
    return done
  },
})
