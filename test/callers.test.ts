import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { audit } from '@lockstep/audit'
import { callersOf, type ServiceName, services } from '@lockstep/contracts'
import { connect } from '@lockstep/rpc'
import { AccountsDefinition } from '@lockstep/rpc/gen/accounts'
import { CampaignsDefinition } from '@lockstep/rpc/gen/campaigns'
import { ContactsDefinition } from '@lockstep/rpc/gen/contacts'
import { ConversationsDefinition } from '@lockstep/rpc/gen/conversations'
import { FeedDefinition } from '@lockstep/rpc/gen/feed'
import { TemplatesDefinition } from '@lockstep/rpc/gen/templates'
import { WebhookGatewayDefinition } from '@lockstep/rpc/gen/webhook_gateway'
import { certificateOf, until } from '@lockstep/testing'
import { phones, startSystem } from '@lockstep/testing/system'
import { expect, test } from 'vitest'
import { assertClean } from './faults/run.ts'

const definitions = {
  accounts: AccountsDefinition,
  campaigns: CampaignsDefinition,
  contacts: ContactsDefinition,
  conversations: ConversationsDefinition,
  templates: TemplatesDefinition,
  'webhook-gateway': WebhookGatewayDefinition,
}

const root = path.resolve(import.meta.dirname, '..')
const sourcesOf = (folder: string) =>
  readdirSync(path.join(root, folder, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => readFileSync(path.join(root, folder, 'src', file), 'utf8'))
    .join('\n')

/** Every call that a service's sources make of another's method: a client has the name of its service. */
function callsOf(service: ServiceName): string[] {
  const text = [`services/${service}`, ...(service === 'campaigns' ? ['packages/sending'] : [])].map(sourcesOf).join('\n')
  return Object.entries(definitions).flatMap(([peer, { fullName, methods }]) => {
    const client = peer === 'webhook-gateway' ? 'gateway' : peer
    const called = [...text.matchAll(new RegExp(`\\b${client}\\.(\\w+)\\(`, 'g'))].map((match) => match[1]!)
    const isMethod = (name: string): name is keyof typeof methods => Object.hasOwn(methods, name)
    return [...new Set(called.filter(isMethod))].map((name) => `${peer} ${fullName}/${(methods[name] as { name: string }).name}`)
  })
}

test('each service may call what its sources call, and nothing else', () => {
  const all = Object.entries(definitions).flatMap(([peer, { fullName, methods }]) =>
    Object.values(methods).map((method) => ({ peer: peer as ServiceName, path: `${fullName}/${method.name}` })),
  )
  for (const service of services) {
    const allowed = all.filter((each) => callersOf(each.peer, each.path).includes(service)).map((each) => `${each.peer} ${each.path}`)
    expect(callsOf(service).toSorted(), `calls of ${service}`).toEqual(allowed.toSorted())
  }
})

test('with a certificate for each service the whole of a campaign goes as without: import, sending, statuses, a reply; no service has work of another', async () => {
  await using system = await startSystem({ tls: true })
  const tenant = await system.addTenant()
  await system.importContacts(tenant, phones(20))
  const { id } = await system.startCampaign(tenant)
  await system.untilCampaign(tenant, id, 'completed')
  const from = phones(1)[0]!.slice(1)
  await system.simulator.client.inbound({ phoneNumberId: tenant.phoneNumberId, from, text: 'STOP' })
  await system.settled()
  await until(async () => (await system.clients.conversations.listConversations({}, tenant)).conversations.length === 1)
  expect((await system.campaign(tenant, id)).statistics).toMatchObject({ accepted: 20, delivered: 20 })
  const { counts } = await system.clients.gateway.countParts({}, {})
  expect(counts.length).toBeGreaterThan(0)
  using templates = connect(FeedDefinition, `127.0.0.1:${system.ports['webhook-gateway'].grpc}`, certificateOf('templates'))
  expect(await templates.take({ lane: 'webhooks.template', partitions: [1] }, {})).toMatchObject({ entries: [] })
  for (const call of ['take', 'settle', 'ring'] as const)
    await expect(templates[call]({ lane: 'webhooks.message', partitions: [1], verdicts: [] }, {})).rejects.toMatchObject({
      failure: 'forbidden',
      message: 'templates is not the worker of lane webhooks.message',
    })
  assertClean(await audit({ ...system.audited, settled: true }))
})
