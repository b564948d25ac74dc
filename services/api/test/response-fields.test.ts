import { ApiKey, App, Connection } from '@lockstep/rpc/gen/accounts'
import { Campaign, Recipient, Statistics } from '@lockstep/rpc/gen/campaigns'
import { Attribute, Contact, Import } from '@lockstep/rpc/gen/contacts'
import { Conversation, Media, Message } from '@lockstep/rpc/gen/conversations'
import { Template } from '@lockstep/rpc/gen/templates'
import { expect, test } from 'vitest'
import { routes } from '../src/http/index.ts'
import { describeApi } from '../src/openapi.ts'

/** A message that a service answers, the schema that shows it, and what of it does not leave. */
const shown = [
  ['ApiKey', ApiKey, []],
  ['App', App, ['account_id']],
  ['Connection', Connection, ['account_id', 'sealed_token', 'sealed_app_secret']],
  ['Campaign', Campaign, []],
  ['CampaignStatistics', Statistics, []],
  ['Recipient', Recipient, []],
  ['Contact', Contact, []],
  ['ContactAttribute', Attribute, []],
  ['ContactImport', Import, []],
  ['Conversation', Conversation, []],
  ['Message', Message, []],
  ['Media', Media, []],
  ['Template', Template, []],
] as const

const { schemas } = describeApi(routes).components

test.each(shown)('all that is known of a %s leaves, but for secrets', (name, message, hidden) => {
  const known = Object.keys(message.fromPartial({})).map(nameInJson)
  const fields = Object.keys(schemas[name]!.properties!)
  expect(known.filter((field) => !fields.includes(field))).toEqual(hidden)
})

/** `revoked_at` of `revokedAtMs`. */
function nameInJson(property: string): string {
  const name = property.replace(/(Ms|Json)$/, '')
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}
