import { consentKinds } from '@lockstep/contracts'
import { z } from 'zod'
import { anyText, country, id, idParams, oneOf, page, text } from '../input.ts'
import { nextCursor, textOrNull, textsByName, time } from '../response.ts'
import { chooseAgain, lookFirst, route } from '../route.ts'
import { contactFilter, filterText } from './contact-filter.ts'

const path = '/v1/contacts'
const onePath = '/v1/contacts/:id'

const contact = z
  .object({
    id: z.string(),
    name: z.string(),
    profile_name: z.string(),
    username: z.string(),
    phone: z.string(),
    wa_id: z.string(),
    user_id: z.string(),
    email: z.string(),
    language: z.string(),
    time_zone: z.string(),
    tags: z.array(z.string()),
    attributes: textsByName,
    opted_out: z.boolean(),
    blocked: z.boolean(),
    source: z.string(),
    last_inbound_at: time,
    archived_at: time,
    created_at: time,
  })
  .meta({ id: 'Contact' })

const tags = z
  .array(text(64), { error: 'must be a list of tags' })
  .max(200, 'must name at most 200 tags')
const attributesError = 'must be an object of values, such as {"city": "Ulm", "children": 2}'
/** Values of every type are kept as texts. */
const attribute = z
  .union([anyText(1_024), z.number(), z.boolean()], {
    error: 'must be a text of at most 1024 characters, a number, true or false',
  })
  .transform(String)
/** What may be said of a contact; what is absent is not known, or stays. */
const fields = {
  name: anyText(256).optional(),
  email: anyText(254).optional(),
  language: anyText(35).optional(),
  time_zone: anyText(64).optional(),
  tags: tags.optional(),
}

/** The account's contact with a number is one, whoever names it and how often. */
export const createContact = route({
  method: 'POST',
  path,
  right: 'contacts.write',
  summary:
    'Creates a contact for a phone number, written in any way. Where there is one with it, that one is completed and answered, with "created": false.',
  body: z.strictObject({
    phone: text(256),
    default_country: country.optional(),
    ...fields,
    attributes: z.record(z.string(), attribute, { error: attributesError }).optional(),
  }),
  response: contact.extend({ created: z.boolean() }).meta({ id: 'CreatedContact' }),
  errors: ['conflict'],
  audit: 'api',
  isPersonal: true,
  afterLostResponse: { runs: 'same id' },
  run: async (ctx, { body: { default_country, time_zone, ...body }, newId: id }, call) => {
    const places = { defaultCountry: default_country, timeZone: time_zone }
    const request = { ...body, ...places, id }
    const { contact, created } = await ctx.peers.contacts.createContact(request, call)
    return { ...contact!, created }
  },
})

export const listContacts = route({
  method: 'GET',
  path,
  right: 'contacts.read',
  summary:
    'Lists contacts in id order; ?tag= or a ?filter= narrows it, ?cursor= is the next_cursor of the page before.',
  query: z.strictObject({
    tag: text().optional(),
    filter: filterText.optional(),
    ...page(id, 200),
  }),
  response: z.object({ contacts: z.array(contact), next_cursor: z.string().nullable() }),
  errors: ['precondition'],
  run: async (ctx, { query: { tag = '', filter = '', cursor = '', limit } }, call) => {
    const request = { tag, filterJson: filter, after: cursor, limit }
    const { contacts } = await ctx.peers.contacts.listContacts(request, call)
    return { contacts, nextCursor: nextCursor(contacts, limit, (row) => row.id) }
  },
})

/** By committed rows, at the moment of the request. */
export const countContacts = route({
  method: 'GET',
  path: '/v1/contact-count',
  right: 'contacts.read',
  summary: 'Counts the contacts that a ?filter= means; everybody has to be said.',
  query: z.strictObject({ filter: filterText }),
  response: z.object({ count: z.number(), filter: contactFilter }).meta({ id: 'ContactCount' }),
  errors: ['precondition'],
  run: async (ctx, { query }, call) => {
    const { count, filterJson } = await ctx.peers.contacts.countContacts(
      { filterJson: query.filter },
      call,
    )
    return { count, filter: JSON.parse(filterJson) }
  },
})

/** One contact, or the one that it was merged into. */
export const getContact = route({
  method: 'GET',
  path: onePath,
  right: 'contacts.read',
  summary: 'Shows a contact.',
  params: idParams,
  response: contact,
  errors: ['not_found'],
  run: (ctx, { params }, call) => ctx.peers.contacts.getContact(params, call),
})

export const updateContact = route({
  method: 'PATCH',
  path: onePath,
  right: 'contacts.write',
  summary:
    'Changes what is named of a contact. "tags" stands for all tags, "add_tags" and "remove_tags" for some; an attribute that is null goes. An empty name is the one that they have given themselves.',
  params: idParams,
  body: z.strictObject({
    ...fields,
    add_tags: tags.optional(),
    remove_tags: tags.optional(),
    attributes: z.record(z.string(), attribute.nullable(), { error: attributesError }).optional(),
  }),
  response: contact,
  errors: ['not_found'],
  audit: 'api',
  isPersonal: true,
  afterLostResponse: 'Doing it again does no harm: send the request with a new key.',
  run: (ctx, { params, body }, call) => {
    const { tags, add_tags: addedTags, remove_tags: removedTags, attributes = {}, ...rest } = body
    const { time_zone: timeZone, ...texts } = rest
    const named = Object.entries(attributes)
    const request = {
      ...params,
      ...texts,
      timeZone,
      tags: tags && { tags },
      addedTags,
      removedTags,
      attributes: Object.fromEntries(
        named.flatMap(([name, value]) => (value === null ? [] : [[name, value]])),
      ),
      removedAttributes: named.flatMap(([name, value]) => (value === null ? [name] : [])),
    }
    return ctx.peers.contacts.updateContact(request, call)
  },
})

export const archiveContact = route({
  method: 'DELETE',
  path: onePath,
  right: 'contacts.write',
  summary:
    'Takes a contact out of all lists and campaigns. What they said and what was written stays, and they come back when they write, or are imported or created again.',
  params: idParams,
  response: z.object({}),
  errors: ['not_found'],
  audit: 'api',
  afterLostResponse: lookFirst(path),
  run: (ctx, { params }, call) => ctx.peers.contacts.archiveContact(params, call),
})

export const forgetContact = route({
  method: 'POST',
  path: '/v1/contacts/:id/forget',
  right: 'contacts.write',
  summary:
    'Forgets a person for good: names, numbers, messages, attributes and consents go, within minutes everywhere. What they refuse outlives them, should their number come again.',
  params: idParams,
  response: z.object({}),
  errors: ['not_found'],
  audit: 'api',
  afterLostResponse: lookFirst(onePath),
  run: (ctx, { params }, call) => ctx.peers.contacts.forgetContact(params, call),
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
const contactSettings = z
  .object({ default_country: textOrNull, time_zone: z.string() })
  .meta({ id: 'ContactSettings' })

export const getContactSettings = route({
  method: 'GET',
  path: settingsPath,
  right: 'contacts.read',
  summary:
    'Shows the country whose numbers imports may write without a country code, null when such numbers are refused, and the time zone by which days of filters begin.',
  response: contactSettings,
  run: (ctx, _input, call) => ctx.peers.contacts.getContactSettings({}, call),
})

export const setContactSettings = route({
  method: 'PUT',
  audit: 'api',
  path: settingsPath,
  right: 'settings.write',
  summary:
    'Chooses the country as which imports read numbers without a country code, by its two letters, and the time zone by which days of filters begin. null refuses such numbers; the time zone stays unless it is named.',
  body: z.strictObject({
    default_country: country.nullable(),
    time_zone: text(64).optional(),
  }),
  response: contactSettings,
  afterLostResponse: chooseAgain(settingsPath),
  run: (ctx, { body: { default_country, time_zone } }, call) =>
    ctx.peers.contacts.setContactSettings(
      { defaultCountry: default_country ?? '', timeZone: time_zone },
      call,
    ),
})
