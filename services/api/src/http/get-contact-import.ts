import { route } from '../route.ts'
import { importToJson } from '../to-json.ts'

/** How far an import is, and what came of its rows. */
export const getContactImport = route({
  method: 'GET',
  path: '/v1/contact-imports/:id',
  does: 'Shows how far an import is, and how many rows were created, updated, duplicates or rejected.',
  run: async (ctx, { id }, call) => importToJson(await ctx.peers.contacts.getImport({ id }, call)),
})
