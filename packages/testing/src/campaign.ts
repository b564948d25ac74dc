import type { Campaign } from '@lockstep/rpc/gen/campaigns'
import type { Import } from '@lockstep/rpc/gen/contacts'
import type { Clients } from './clients.ts'
import type { Tenant } from './tenant.ts'
import { until } from './world.ts'

/** Imports contacts with a tag, and waits until they are in. */
export async function importContacts(
  clients: Clients,
  tenant: Tenant,
  phones: string[],
  tag: string,
): Promise<Import> {
  const csv = Buffer.from(
    `name,phone,tags\n${phones.map((phone, i) => `Person ${i},${phone},${tag}`).join('\n')}\n`,
  )
  async function* chunks() {
    yield { fileName: 'test.csv' }
    for (let at = 0; at < csv.length; at += 200_000) yield { chunk: csv.subarray(at, at + 200_000) }
  }
  const { id } = await clients.contacts.createImport(chunks(), tenant)
  return until(async () => {
    const state = await clients.contacts.getImport({ id }, tenant)
    if (state.state === 'failed') throw new Error(state.failure)
    return state.state === 'done' && state
  }, 60_000)
}

/** Creates a campaign to a tag. */
export function createCampaign(clients: Clients, tenant: Tenant, tag: string): Promise<Campaign> {
  return clients.campaigns.createCampaign(
    {
      name: 'Spring',
      connectionId: tenant.connectionId,
      templateName: 'spring_offer',
      templateLanguage: 'en_US',
      filter: { tags: [tag] },
      values: { 'header.1': '{{name}}', 'body.1': '20 %', 'body.2': 'Sunday' },
    },
    tenant,
  )
}

/** Waits until a campaign is in a state; says where it stands when it doesn't get there. */
export function untilCampaign(
  clients: Clients,
  tenant: Tenant,
  id: string,
  state: string,
  timeoutMs = 30_000,
): Promise<Campaign> {
  return until(async () => {
    const campaign = await clients.campaigns.getCampaign({ id }, tenant)
    if (campaign.state === state) return campaign
    const { reason, statistics } = campaign
    throw new Error(`The campaign is ${campaign.state}: ${reason} ${JSON.stringify(statistics)}`)
  }, timeoutMs)
}

/** Valid German mobile numbers, all different. */
export function phones(count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, i) => `+491512${String(from + i).padStart(7, '0')}`)
}
