import { z } from 'zod'
import { id, page, text } from '../input.ts'
import { route } from '../route.ts'
import { contactToJson, nextAfter } from '../to-json.ts'

/** The account's contacts, page by page. */
export const listContacts = route({
  method: 'GET',
  path: '/v1/contacts',
  does: 'Lists contacts in id order; ?tag= narrows it, ?after= is the last id of the page before.',
  query: z.strictObject({ tag: text().optional(), ...page(id, 200) }),
  run: async (ctx, { query: { tag = '', after = '', limit } }, call) => {
    const { contacts } = await ctx.peers.contacts.listContacts({ tag, after, limit }, call)
    return {
      contacts: contacts.map(contactToJson),
      next_after: nextAfter(contacts, limit, (contact) => contact.id),
    }
  },
})
