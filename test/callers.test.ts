import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { audit } from '@lockstep/audit'
import { type ServiceName, services } from '@lockstep/contracts'
import { connect, type PeerName, peerKey } from '@lockstep/rpc'
import { definitions } from '@lockstep/rpc/definitions'
import { FeedDefinition } from '@lockstep/rpc/gen/feed'
import { loadService } from '@lockstep/system'
import { certificateOf, until } from '@lockstep/testing'
import { phones, startSystem } from '@lockstep/testing/system'
import { expect, test } from 'vitest'
import { assertClean } from './faults/run.ts'

const root = path.resolve(import.meta.dirname, '..')
const sourcesOf = (folder: string) =>
  readdirSync(path.join(root, folder, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => readFileSync(path.join(root, folder, 'src', file), 'utf8'))
    .join('\n')

/** Every call that a service's sources make of another's method, as `<peer>.<method>`: clients stand in `ctx.peers`. */
function callsOf(service: ServiceName): string[] {
  const text = [`services/${service}`, ...(service === 'campaigns' ? ['packages/sending'] : [])]
    .map(sourcesOf)
    .join('\n')
  return (Object.keys(definitions) as PeerName[]).flatMap((peer) => {
    const called = text.matchAll(new RegExp(`\\bpeers\\.${peerKey(peer)}\\s*\\.(\\w+)\\(`, 'g'))
    return [...new Set([...called].map((match) => `${peer}.${match[1]}`))]
  })
}

test('each service may call what its sources call, and nothing else', async () => {
  for (const service of services) {
    const allowed: string[] = []
    for (const peer of services) {
      const { rpc } = await loadService(peer)
      for (const [method, callers] of Object.entries(rpc?.callers ?? {}))
        if (callers.includes(service)) allowed.push(`${peer}.${method}`)
    }
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
  await until(
    async () =>
      (await system.clients.conversations.listConversations({}, tenant)).conversations.length === 1,
  )
  expect((await system.campaign(tenant, id)).statistics).toMatchObject({
    accepted: 20,
    delivered: 20,
  })
  const { counts } = await system.clients.webhookGateway.countParts({}, {})
  expect(counts.length).toBeGreaterThan(0)
  using templates = connect(
    FeedDefinition,
    `127.0.0.1:${system.ports['webhook-gateway'].grpc}`,
    certificateOf('templates'),
  )
  expect(await templates.take({ lane: 'webhooks.template', partitions: [1] }, {})).toMatchObject({
    entries: [],
  })
  for (const call of ['take', 'settle', 'wake'] as const)
    await expect(
      templates[call]({ lane: 'webhooks.message', partitions: [1], settlements: [] }, {}),
    ).rejects.toMatchObject({
      failure: 'forbidden',
      message: 'templates is not the worker of lane webhooks.message',
    })
  assertClean(await audit({ ...system.audited, settled: true }))
})
