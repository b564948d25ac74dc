import { fence, type Tx } from '@lockstep/database'
import type { AudienceContact } from '@lockstep/rpc/gen/contacts'
import { type FencedLock, holdFenced } from '@lockstep/service'
import { v7 as uuid } from 'uuid'
import type { Context } from './context.ts'
import type { Campaign } from './db/entities.ts'
import { insertRecipients, keepRun, moveCampaign, type NewRecipient } from './db/queries.ts'
import { fillValues } from './values.ts'

const prepareTimeoutMs = 30 * 60_000

/**
 * Freezes a campaign's audience: everybody whom its filter names, with the reason for each one who is skipped. A run that is
 * killed leaves rows that the next one takes over or removes, so that any number of runs gives the result of one.
 */
export async function prepare(ctx: Context, campaign: Campaign, signal: AbortSignal): Promise<void> {
  await using held = await holdFenced(ctx, 'campaign_prepare_recipients', campaign.id)
  const guarded = AbortSignal.any([signal, held.signal])
  const runId = uuid()
  const { accountId, filter } = campaign
  const call = { accountId, signal: guarded, timeoutMs: prepareTimeoutMs }
  const template = await ctx.templates.getTemplate({ id: campaign.templateId }, { accountId, signal: guarded })
  const marketing = template.category === 'MARKETING'
  for await (const batch of ctx.contacts.streamAudience({ filter, marketing }, call)) {
    const people = batch.contacts.map((contact) => toRecipient(campaign.values, contact))
    await fenced(ctx, accountId, held, guarded, (tx) => insertRecipients(tx, campaign.id, runId, people))
  }
  await fenced(ctx, accountId, held, guarded, async (tx) => {
    await keepRun(tx, campaign.id, runId)
    await moveCampaign(tx, campaign.id, ['preparing'], 'sending')
  })
  ctx.log.info({ campaignId: campaign.id, runId }, 'A campaign was prepared')
}

function fenced(
  ctx: Context,
  accountId: string,
  held: FencedLock,
  signal: AbortSignal,
  write: (tx: Tx) => Promise<unknown>,
): Promise<void> {
  return ctx.db.transaction(
    accountId,
    async (tx) => {
      await fence(tx, held.fence)
      await write(tx)
    },
    { signal },
  )
}

function toRecipient(values: Record<string, string>, contact: AudienceContact): NewRecipient {
  const person = { name: contact.name, phone: contact.phone, attributes: JSON.parse(contact.attributesJson || '{}') }
  const filled = fillValues(values, person)
  const reason = contact.skipReason || ('empty' in filled ? `no value for ${filled.empty}` : '')
  return {
    contactId: contact.id,
    phone: contact.waId || contact.phone,
    userId: contact.userId,
    values: 'values' in filled ? filled.values : {},
    state: reason ? 'skipped' : 'queued',
    reason,
  }
}
