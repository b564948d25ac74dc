import { z } from 'zod'
import { route } from '../route.ts'
import { consentRulesToJson } from '../to-json.ts'

const body = z.strictObject({ utility_after_stop: z.boolean({ error: 'must be true or false' }) })

/** What people who said stop get all the same. */
export const getConsentRules = route({
  method: 'GET',
  path: '/v1/consent-rules',
  does: 'Shows whether UTILITY templates are sent to people who said stop.',
  run: async (ctx, _input, call) =>
    consentRulesToJson(await ctx.peers.contacts.getConsentRules({}, call)),
})

/** Chooses it, for every message from then on. */
export const setConsentRules = route({
  method: 'PUT',
  path: '/v1/consent-rules',
  does: 'Chooses whether UTILITY templates are sent to people who said stop; without a choice they are not.',
  ifUnknown: 'Look at GET /v1/consent-rules; choosing the same again does no harm.',
  body,
  run: async (ctx, { body: { utility_after_stop } }, call) =>
    consentRulesToJson(
      await ctx.peers.contacts.setConsentRules({ utilityAfterStop: utility_after_stop }, call),
    ),
})
