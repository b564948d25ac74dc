import type { Clients, Tenant } from '@lockstep/testing/system'
import { eventsCalls } from './growth-events.ts'
import { peopleCalls } from './growth-people.ts'
import { type Grown, grownId, grownPhone } from './growth-seed.ts'

/** One list, look-up or hot call of a service; `i` counts the calls, so that no two need the same rows. */
export interface GrownCall {
  name: string
  run(i: number): Promise<unknown>
}

/** Every call whose cost could grow with the rows there are. */
export function grownCalls(clients: Clients, tenant: Tenant, grown: Grown): GrownCall[] {
  return [
    ...ofAccounts(clients, tenant, grown),
    ...peopleCalls(clients, tenant),
    ...ofContacts(clients, tenant, grown),
    ...ofConversations(clients, tenant, grown),
    ...ofCampaigns(clients, tenant, grown),
    ...ofTemplates(clients, tenant),
    ...ofGateway(clients, tenant, grown),
    ...eventsCalls(clients, tenant),
  ]
}

/** A number from 1 to `most` that jumps about, never one of a further tenant (they have those that end in 9). */
const spread = (i: number, most: number): number => {
  const at = 1 + ((i * 7_919 + 13) % most)
  return at % 10 === 9 ? at - 1 : at
}
const many = <T>(count: number, make: (i: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i))

function ofAccounts({ accounts }: Clients, tenant: Tenant, { sizes }: Grown): GrownCall[] {
  const numbers = (i: number, count: number) =>
    many(count, (n) => String(90_000_000 + spread(i + n, sizes.numbers)))
  const range = { wabaIds: [], fromMs: Date.now() - 60_000, untilMs: Date.now() }
  return [
    {
      name: 'GetConnection',
      run: (i) =>
        accounts.getConnection({ id: grownId('connection', spread(i, sizes.numbers)) }, tenant),
    },
    { name: 'ListConnections', run: () => accounts.listConnections({ limit: 200 }, tenant) },
    {
      name: 'ListConnections, a later page',
      run: (i) =>
        accounts.listConnections(
          { after: grownId('connection', spread(i, sizes.numbers)), limit: 200 },
          tenant,
        ),
    },
    {
      name: 'ResolveConnections, 1 number',
      run: (i) => accounts.resolveConnections({ ...range, phoneNumberIds: numbers(i, 1) }, {}),
    },
    {
      name: 'ResolveConnections, 500 numbers',
      run: (i) => accounts.resolveConnections({ ...range, phoneNumberIds: numbers(i, 500) }, {}),
    },
    { name: 'ListAccountEvents', run: () => accounts.listAccountEvents({}, tenant) },
    {
      name: 'ListAccountEvents of a WABA',
      run: (i) => accounts.listAccountEvents({ wabaId: String(900_000 + (i % 1000)) }, tenant),
    },
    {
      name: 'ListAccountEvents of a field',
      run: () => accounts.listAccountEvents({ field: 'account_update' }, tenant),
    },
    {
      name: 'ListAccountEvents of a field that never came',
      run: () => accounts.listAccountEvents({ field: 'security' }, tenant),
    },
    { name: 'ResealSecrets', run: () => accounts.resealSecrets({}, {}) },
    {
      name: 'ResealSecrets of connections',
      run: (i) =>
        accounts.resealSecrets(
          { after: `connections:${grownId('connection', spread(i, sizes.numbers))}` },
          {},
        ),
    },
    { name: 'GetWebhookApp', run: () => accounts.getWebhookApp({ id: tenant.appId }, {}) },
  ]
}

/** Filters of few contacts among many. */
const filtered: readonly (readonly [string, object])[] = [
  ['rare tag', { field: 'tag', op: 'is', value: 'rare' }],
  ['name', { field: 'name', op: 'is', value: 'Person 77' }],
  ['phone', { field: 'phone', op: 'is', value: `+${grownPhone(77)}` }],
  ['e-mail', { field: 'email', op: 'is', value: 'nobody@example.com' }],
  ['language', { field: 'language', op: 'is', value: 'fr' }],
  ['source', { field: 'source', op: 'is', value: 'manual' }],
  ['blocked', { field: 'blocked', op: 'is', value: true }],
  ['created', { field: 'created_at', op: 'until', value: '2020-01-01T00:00:00Z' }],
  ['attribute', { attribute: 'children', op: 'is', value: 777 }],
  ['attribute from', { attribute: 'children', op: 'at_least', value: 999 }],
  [
    'rare and common',
    {
      and: [
        { field: 'tag', op: 'is', value: 'all' },
        { field: 'tag', op: 'is', value: 'rare' },
      ],
    },
  ],
  [
    'one or another',
    {
      or: [
        { field: 'tag', op: 'is', value: 'rare' },
        { field: 'name', op: 'is', value: 'Person 78' },
        { attribute: 'children', op: 'is', value: 778 },
      ],
    },
  ],
]

function ofContacts(
  { contacts }: Clients,
  tenant: Tenant,
  { sizes, importId }: Grown,
): GrownCall[] {
  const contact = (i: number) => grownId('contact', spread(i, sizes.contacts))
  const people = (i: number, count: number) =>
    many(count, (n) => ({
      ref: String(n),
      accountId: tenant.accountId,
      waId: grownPhone(spread(i + n, sizes.contacts)),
      atMs: Date.now(),
      wamid: `wamid.call.${i}.${n}`,
      profileName: 'Person',
    }))
  const audience = async (tag: string) => {
    for await (const _ of contacts.streamAudience(
      { filter: { tags: [tag] }, category: 'MARKETING' },
      tenant,
    ))
      break
  }
  return [
    { name: 'ListContacts', run: () => contacts.listContacts({ limit: 100 }, tenant) },
    {
      name: 'ListContacts, a later page',
      run: (i) => contacts.listContacts({ limit: 100, after: contact(i) }, tenant),
    },
    {
      name: 'ListContacts of a common tag',
      run: (i) => contacts.listContacts({ limit: 100, tag: 'friends', after: contact(i) }, tenant),
    },
    {
      name: 'ListContacts of a rare tag',
      run: () => contacts.listContacts({ limit: 100, tag: 'rare' }, tenant),
    },
    ...filtered.map(([name, where]) => ({
      name: `ListContacts by a filter, ${name}`,
      run: (i: number) =>
        contacts.listContacts(
          { limit: 100, after: contact(i), filterJson: JSON.stringify({ version: 1, where }) },
          tenant,
        ),
    })),
    {
      name: 'CountContacts of a rare tag',
      run: () =>
        contacts.countContacts(
          { filterJson: JSON.stringify({ version: 1, where: filtered[0]![1] }) },
          tenant,
        ),
    },
    {
      name: 'ListContacts of a tag that nobody has',
      run: () => contacts.listContacts({ limit: 100, tag: 'nobody' }, tenant),
    },
    { name: 'GetContact', run: (i) => contacts.getContact({ id: contact(i) }, tenant) },
    {
      name: 'CheckSendable, 200 contacts',
      run: (i) =>
        contacts.checkSendable(
          { contactIds: many(200, (n) => contact(i + n)), category: 'MARKETING' },
          tenant,
        ),
    },
    {
      name: 'RecordInbound, 1 person',
      run: (i) => contacts.recordInbound({ people: people(i, 1) }, tenant),
    },
    {
      name: 'RecordInbound, 200 people',
      run: (i) => contacts.recordInbound({ people: people(i * 200, 200) }, tenant),
    },
    {
      name: 'RecordConsent',
      run: (i) =>
        contacts.recordConsent(
          { contactId: contact(i), kind: 'opt_out', evidence: 'phone call' },
          tenant,
        ),
    },
    {
      name: 'CreateContact, new',
      run: (i) =>
        contacts.createContact({ phone: `+49160${7_000_000 + i}`, tags: ['new'] }, tenant),
    },
    {
      name: 'CreateContact, known',
      run: (i) => {
        const phone = `+${grownPhone(spread(i, sizes.contacts))}`
        return contacts.createContact({ phone, name: 'Person' }, tenant)
      },
    },
    { name: 'ListAttributes', run: () => contacts.listAttributes({}, tenant) },
    {
      name: 'CreateAttribute',
      run: (i) => contacts.createAttribute({ name: `shoe ${i}`, type: 'number' }, tenant),
    },
    {
      name: 'UpdateContact, an attribute',
      run: (i) =>
        contacts.updateContact({ id: contact(i + 200), attributes: { children: '3' } }, tenant),
    },
    {
      name: 'UpdateContact',
      run: (i) =>
        contacts.updateContact(
          { id: contact(i + 300), name: 'Changed', addedTags: ['changed'], removedTags: ['all'] },
          tenant,
        ),
    },
    {
      name: 'ArchiveContact',
      run: (i) => contacts.archiveContact({ id: contact(i + 600) }, tenant),
    },
    {
      name: 'ForgetContact',
      run: (i) => contacts.forgetContact({ id: contact(i + 900) }, tenant),
    },
    { name: 'GetConsentRules', run: () => contacts.getConsentRules({}, tenant) },
    {
      name: 'SetConsentRules',
      run: () => contacts.setConsentRules({ utilityAfterStop: false }, tenant),
    },
    { name: 'StreamAudience of a common tag, first batch', run: () => audience('friends') },
    { name: 'StreamAudience of a rare tag', run: () => audience('rare') },
    { name: 'GetImport', run: () => contacts.getImport({ id: importId }, tenant) },
    {
      name: 'ListImportErrors',
      run: (i) =>
        contacts.listImportErrors({ id: importId, afterLine: i * 100, limit: 100 }, tenant),
    },
  ]
}

function ofConversations(
  { conversations }: Clients,
  tenant: Tenant,
  { sizes }: Grown,
): GrownCall[] {
  const known = Math.floor(sizes.contacts / 2)
  const conversation = (i: number) => grownId('conversation', spread(i, known))
  const connection = (i: number) => grownId('connection', spread(i, sizes.numbers))
  return [
    {
      name: 'ListConversations',
      run: () => conversations.listConversations({ limit: 50 }, tenant),
    },
    {
      name: 'ListConversations, a later page',
      run: (i) => conversations.listConversations({ limit: 50, after: conversation(i) }, tenant),
    },
    {
      name: 'ListMessages',
      run: (i) =>
        conversations.listMessages({ conversationId: conversation(i), limit: 50 }, tenant),
    },
    {
      name: 'CountInbound since an hour',
      run: (i) =>
        conversations.countInbound(
          { connectionId: connection(i), sinceMs: Date.now() - 3_600_000 },
          tenant,
        ),
    },
    {
      name: 'CountInbound since ever',
      run: (i) => conversations.countInbound({ connectionId: connection(i), sinceMs: 0 }, tenant),
    },
  ]
}

function ofCampaigns(
  { campaigns }: Clients,
  tenant: Tenant,
  { campaignId, endedId, sizes }: Grown,
): GrownCall[] {
  const recipients = (state: string) => () =>
    campaigns.listRecipients({ campaignId, state, limit: 100 }, tenant)
  return [
    { name: 'ListCampaigns', run: () => campaigns.listCampaigns({}, tenant) },
    { name: 'GetCampaign', run: () => campaigns.getCampaign({ id: campaignId }, tenant) },
    { name: 'ListRecipients', run: recipients('') },
    {
      name: 'ListRecipients, a later page',
      run: (i) =>
        campaigns.listRecipients(
          { campaignId, limit: 100, after: String(spread(i, sizes.recipients)) },
          tenant,
        ),
    },
    ...['queued', 'accepted', 'read', 'failed', 'skipped', 'unknown'].map((state) => ({
      name: `ListRecipients, ${state}`,
      run: recipients(state),
    })),
    {
      name: 'ListRecipients, sent, of a campaign that is over',
      run: () =>
        campaigns.listRecipients({ campaignId: endedId, state: 'sent', limit: 100 }, tenant),
    },
    {
      name: 'ResendUnknown, none',
      run: () => campaigns.resendUnknown({ campaignId: endedId, recipientIds: [] }, tenant),
    },
    {
      name: 'RecordStatuses',
      run: (i) =>
        campaigns.recordStatuses(
          {
            statuses: [
              {
                accountId: tenant.accountId,
                wamid: `wamid.nobody.${i}`,
                status: 'sent',
                atMs: Date.now(),
              },
            ],
          },
          tenant,
        ),
    },
  ]
}

function ofTemplates({ templates }: Clients, tenant: Tenant): GrownCall[] {
  return [
    { name: 'ListTemplates', run: () => templates.listTemplates({}, tenant) },
    {
      name: 'ListTemplates of a WABA',
      run: (i) => templates.listTemplates({ wabaId: String(900_000 + (i % 1000)) }, tenant),
    },
    {
      name: 'ListTemplates of a rare status',
      run: () => templates.listTemplates({ status: 'PAUSED' }, tenant),
    },
    {
      name: 'GetTemplate by name',
      run: () =>
        templates.getTemplate(
          { wabaId: tenant.wabaId, name: 'spring_offer', language: 'en_US' },
          tenant,
        ),
    },
  ]
}

function ofGateway({ webhookGateway }: Clients, tenant: Tenant, { sizes }: Grown): GrownCall[] {
  const parts = (outcome: string) => () => webhookGateway.listParts({ outcome, limit: 100 }, {})
  return [
    { name: 'CountParts', run: () => webhookGateway.countParts({}, {}) },
    ...['', 'open', 'dead', 'no_connection', 'wrong_app', 'done'].map((outcome) => ({
      name: `ListParts ${outcome || 'without effect'}`,
      run: parts(outcome),
    })),
    ...(['long ago', 'just now'] as const).map((when) => ({
      name: `GetUnhandledReplies, connected ${when}`,
      run: () =>
        webhookGateway.getUnhandledReplies(
          { ...tenant, connectedAtMs: when === 'just now' ? Date.now() : 1 },
          tenant,
        ),
    })),
    {
      name: 'AdoptParts',
      run: (i) =>
        webhookGateway.adoptParts(
          { connectionId: grownId('connection', spread(i, sizes.numbers)) },
          tenant,
        ),
    },
  ]
}
