import { z } from 'zod'
import { oneOf, text } from '../input.ts'
import { route } from '../route.ts'
import { contactToJson } from '../to-json.ts'

const body = z.strictObject({
  kind: oneOf(['opt_out', 'opt_in', 'block', 'unblock']),
  evidence: text(),
})

/** Writes down what a person said about being written to, as said when the request was first sent. */
export const recordConsent = route({
  method: 'POST',
  path: '/v1/contacts/:id/consent',
  does: 'Records that a person opted out or in, or is blocked or not, with the evidence for it.',
  ifUnknown: null,
  body,
  run: async (ctx, { id, body: { kind, evidence }, askedAt }, call) =>
    contactToJson(
      await ctx.peers.contacts.recordConsent(
        { contactId: id, kind, evidence, saidAtMs: askedAt.getTime() },
        call,
      ),
    ),
})
