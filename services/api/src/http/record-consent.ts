import { z } from 'zod'
import { oneOf, text } from '../input.ts'
import { route } from '../route.ts'
import { contactToJson } from '../to-json.ts'

const body = z.strictObject({ kind: oneOf(['opt_out', 'opt_in', 'block', 'unblock']), evidence: text() })

/** Writes down what a person said about being written to. */
export const recordConsent = route({
  method: 'POST',
  path: '/v1/contacts/:id/consent',
  does: 'Records that a person opted out or in, or is blocked or not, with the evidence for it.',
  ifUnknown: 'Look at GET /v1/contacts/:id; saying the same again does no harm.',
  body,
  run: async (ctx, { id, body: { kind, evidence } }, call) =>
    contactToJson(await ctx.contacts.recordConsent({ contactId: id, kind, evidence }, call)),
})
