import { z } from 'zod'
import { country } from '../input.ts'
import { route } from '../route.ts'
import { contactSettingsToJson } from '../to-json.ts'

const body = z.strictObject({ default_country: country.nullable() })

/** How the account's contacts are read. */
export const getContactSettings = route({
  method: 'GET',
  path: '/v1/contact-settings',
  does: 'Shows the country whose numbers imports may write without a country code; null when such numbers are refused.',
  run: async (ctx, _input, call) =>
    contactSettingsToJson(await ctx.peers.contacts.getContactSettings({}, call)),
})

/** Chooses it, for imports that are sent from then on. */
export const setContactSettings = route({
  method: 'PUT',
  path: '/v1/contact-settings',
  does: 'Chooses the country as which imports read numbers without a country code, by its two letters; null refuses such numbers.',
  ifUnknown: 'Look at GET /v1/contact-settings; choosing the same again does no harm.',
  body,
  run: async (ctx, { body: { default_country } }, call) =>
    contactSettingsToJson(
      await ctx.peers.contacts.setContactSettings({ defaultCountry: default_country ?? '' }, call),
    ),
})
