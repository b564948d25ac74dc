import { route } from '../route.ts'
import { contactToJson } from '../to-json.ts'

/** One contact, or the one that it was merged into. */
export const getContact = route({
  method: 'GET',
  path: '/v1/contacts/:id',
  does: 'Shows a contact.',
  run: async (ctx, { id }, call) =>
    contactToJson(await ctx.peers.contacts.getContact({ id }, call)),
})
