import { type Right, rights, roles } from '@lockstep/contracts'
import { z } from 'zod'
import { idParams, oneOf, text } from '../input.ts'
import { time } from '../response.ts'
import { chooseAgain, route } from '../route.ts'

const role = z
  .object({ id: z.string(), name: z.string(), rights: z.array(z.string()), created_at: time })
  .meta({ id: 'Role' })

const path = '/v1/roles'
const name = text(64)
const someRights = z
  .array(oneOf(Object.keys(rights) as Right[]), { error: 'must be a list of rights' })
  .min(1, 'must name at least one right')
  .max(Object.keys(rights).length, 'must name each right once')

const builtIn = Object.entries(roles).map(([name, rights]) => ({ name, rights: [...rights] }))

export const listRoles = route({
  method: 'GET',
  path,
  right: 'members.read',
  summary: 'Lists the roles that people may have: those of every account, and your own.',
  response: z.object({
    built_in: z.array(z.object({ name: z.string(), rights: z.array(z.string()) })),
    roles: z.array(role),
  }),
  run: async (ctx, _input, call) => {
    const { roles } = await ctx.peers.accounts.listRoles({}, call)
    return { builtIn, roles }
  },
})

export const createRole = route({
  method: 'POST',
  audit: 'accounts',
  path,
  right: 'members.write',
  summary: 'Makes a role of your own, with some of your own rights, for members and invitations.',
  body: z.strictObject({ name, rights: someRights }),
  status: 201,
  response: role,
  errors: ['conflict'],
  afterLostResponse: { runs: 'same id' },
  run: (ctx, { body, caller, newId: id }, call) =>
    ctx.peers.accounts.createRole({ ...body, id, heldRights: [...caller.rights] }, call),
})

export const updateRole = route({
  method: 'PATCH',
  audit: 'accounts',
  path: `${path}/:id`,
  right: 'members.write',
  summary:
    'Gives a role of your own another name or other rights: within a second those who have it may do as much as it says, and stay signed in.',
  params: idParams,
  body: z.strictObject({ name: name.optional(), rights: someRights.optional() }),
  response: role,
  errors: ['not_found', 'conflict'],
  afterLostResponse: chooseAgain(path),
  run: (ctx, { params, body, caller }, call) =>
    ctx.peers.accounts.updateRole({ ...params, ...body, heldRights: [...caller.rights] }, call),
})

export const deleteRole = route({
  method: 'DELETE',
  audit: 'accounts',
  path: `${path}/:id`,
  right: 'members.write',
  summary: 'Deletes a role of your own that no member and no open invitation has.',
  params: idParams,
  response: role,
  errors: ['not_found', 'conflict'],
  afterLostResponse: `Look at GET ${path}: one that is not there is deleted.`,
  run: (ctx, { params, caller }, call) =>
    ctx.peers.accounts.deleteRole({ ...params, heldRights: [...caller.rights] }, call),
})
