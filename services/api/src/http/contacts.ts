import { consentKinds } from '@lockstep/contracts'
import { z } from 'zod'
import { country, id, idParams, oneOf, page, text } from '../input.ts'
import { nextCursor, textOrNull, textsByName, time } from '../response.ts'
import { chooseAgain, route } from '../route.ts'

const contact = z
  .object({
    id: z.string(),
    name: z.string(),
    profile_name: z.string(),
    username: z.string(),
    phone: z.string(),
    wa_id: z.string(),
    user_id: z.string(),
    tags: z.array(z.string()),
    attributes: textsByName,
    opted_out: z.boolean(),
    blocked: z.boolean(),
    source: z.string(),
    last_inbound_at: time,
    created_at: time,
  })
  .meta({ id: 'Contact' })

export const listContacts = route({
  method: 'GET',
  path: '/v1/contacts',
  right: 'contacts.read',
  summary:
    'Lists contacts in id order; ?tag= narrows it, ?cursor= is the next_cursor of the page before.',
  query: z.strictObject({ tag: text().optional(), ...page(id, 200) }),
  response: z.object({ contacts: z.array(contact), next_cursor: z.string().nullable() }),
  run: async (ctx, { query: { tag = '', cursor = '', limit } }, call) => {
    const { contacts } = await ctx.peers.contacts.listContacts({ tag, after: cursor, limit }, call)
    return { contacts, nextCursor: nextCursor(contacts, limit, (row) => row.id) }
  },
})

/** One contact, or the one that it was merged into. */
export const getContact = route({
  method: 'GET',
  path: '/v1/contacts/:id',
  right: 'contacts.read',
  summary: 'Shows a contact.',
  params: idParams,
  response: contact,
  errors: ['not_found'],
  run: (ctx, { params }, call) => ctx.peers.contacts.getContact(params, call),
})

/** As said when the request was first sent. */
export const recordConsent = route({
  method: 'POST',
  audit: 'api',
  path: '/v1/contacts/:id/consent',
  right: 'consent.write',
  summary: 'Records that a person opted out or in, or is blocked or not, with the evidence for it.',
  params: idParams,
  body: z.strictObject({ kind: oneOf(consentKinds), evidence: text() }),
  response: contact,
  errors: ['not_found', 'conflict'],
  afterLostResponse: { runs: 'dated' },
  run: (ctx, { params: { id }, body: { kind, evidence }, askedAt }, call) =>
    ctx.peers.contacts.recordConsent(
      { contactId: id, kind, evidence, saidAtMs: askedAt.getTime() },
      call,
    ),
})

const rulesPath = '/v1/consent-rules'
const consentRules = z.object({ utility_after_stop: z.boolean() }).meta({ id: 'ConsentRules' })

export const getConsentRules = route({
  method: 'GET',
  path: rulesPath,
  right: 'contacts.read',
  summary: 'Shows whether UTILITY templates are sent to people who said stop.',
  response: consentRules,
  run: (ctx, _input, call) => ctx.peers.contacts.getConsentRules({}, call),
})

export const setConsentRules = route({
  method: 'PUT',
  audit: 'api',
  path: rulesPath,
  right: 'settings.write',
  summary:
    'Chooses whether UTILITY templates are sent to people who said stop; without a choice they are not.',
  body: z.strictObject({ utility_after_stop: z.boolean({ error: 'must be true or false' }) }),
  response: consentRules,
  afterLostResponse: chooseAgain(rulesPath),
  run: (ctx, { body: { utility_after_stop } }, call) =>
    ctx.peers.contacts.setConsentRules({ utilityAfterStop: utility_after_stop }, call),
})

const settingsPath = '/v1/contact-settings'
const contactSettings = z.object({ default_country: textOrNull }).meta({ id: 'ContactSettings' })

export const getContactSettings = route({
  method: 'GET',
  path: settingsPath,
  right: 'contacts.read',
  summary:
    'Shows the country whose numbers imports may write without a country code; null when such numbers are refused.',
  response: contactSettings,
  run: (ctx, _input, call) => ctx.peers.contacts.getContactSettings({}, call),
})

export const setContactSettings = route({
  method: 'PUT',
  audit: 'api',
  path: settingsPath,
  right: 'settings.write',
  summary:
    'Chooses the country as which imports read numbers without a country code, by its two letters; null refuses such numbers.',
  body: z.strictObject({ default_country: country.nullable() }),
  response: contactSettings,
  afterLostResponse: chooseAgain(settingsPath),
  run: (ctx, { body: { default_country } }, call) =>
    ctx.peers.contacts.setContactSettings({ defaultCountry: default_country ?? '' }, call),
})
