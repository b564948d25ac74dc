import { z } from 'zod'
import { id, idParams, page, text } from '../input.ts'
import { nextCursor, time } from '../response.ts'
import { chooseAgain, route } from '../route.ts'

export const member = z
  .object({
    id: z.string(),
    email: z.string(),
    name: z.string(),
    role: z.string(),
    rights: z.array(z.string()),
    joined_at: time,
    has_second_factor: z.boolean(),
  })
  .meta({ id: 'Member' })

const path = '/v1/members'
/** One of every account's, or of the account's own, by its name. */
export const role = text(64)

export const listMembers = route({
  method: 'GET',
  path,
  right: 'members.read',
  summary: 'Lists the people who belong to the account, with what each may do.',
  query: z.strictObject(page(id, 200)),
  response: z.object({ members: z.array(member), next_cursor: z.string().nullable() }),
  run: async (ctx, { query: { cursor = '', limit } }, call) => {
    const { members } = await ctx.peers.accounts.listMembers({ after: cursor, limit }, call)
    return { members, nextCursor: nextCursor(members, limit, (row) => row.id) }
  },
})

/** Sessions of before have no right of after. */
export const setMemberRole = route({
  method: 'PUT',
  audit: 'accounts',
  path: `${path}/:id/role`,
  right: 'members.write',
  summary:
    'Gives a member another role, and signs them out everywhere. An account keeps at least one owner.',
  params: idParams,
  body: z.strictObject({ role }),
  response: member,
  errors: ['not_found', 'conflict'],
  afterLostResponse: chooseAgain(path),
  run: (ctx, { params, body, caller }, call) =>
    ctx.peers.accounts.setMemberRole({ ...params, ...body, heldRights: [...caller.rights] }, call),
})

export const removeMember = route({
  method: 'DELETE',
  audit: 'accounts',
  path: `${path}/:id`,
  right: 'members.write',
  summary:
    'Takes a person out of the account: within a second they are signed out of it. An account keeps at least one owner.',
  params: idParams,
  response: member,
  errors: ['not_found', 'conflict'],
  afterLostResponse: `Look at GET ${path}: who is not there has been taken out.`,
  run: (ctx, { params, caller }, call) =>
    ctx.peers.accounts.removeMember({ ...params, heldRights: [...caller.rights] }, call),
})
