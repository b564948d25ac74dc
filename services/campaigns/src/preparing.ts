import { fence, type Tx } from '@lockstep/database'
import type { AudienceContact } from '@lockstep/rpc/gen/contacts'
import { type FencedLock, holdFenced } from '@lockstep/service'
import { v7 as uuid } from 'uuid'
import type { Context } from './context.ts'
import type { Campaign } from './db/entities.ts'
import { insertRecipients, isPreparing, keepRun, moveCampaign, type NewRecipient } from './db/queries.ts'
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
  const whilePreparing = (write: (tx: Tx) => Promise<unknown>) => guardedWrite(ctx, campaign, held, guarded, write)
  for await (const batch of ctx.contacts.streamAudience({ filter, marketing }, call)) {
    const people = batch.contacts.map((contact) => toRecipient(campaign.values, contact))
    if (!(await whilePreparing((tx) => insertRecipients(tx, campaign.id, runId, people)))) return
  }
  await whilePreparing(async (tx) => {
    await moveCampaign(tx, campaign.id, ['preparing'], 'sending')
    await keepRun(tx, campaign.id, runId)
  })
  ctx.log.info({ campaignId: campaign.id, runId }, 'A campaign was prepared')
}

/** Writes as the newest holder of the lock, and only while the campaign is being prepared; false when it was cancelled. */
function guardedWrite(
  ctx: Context,
  { id, accountId }: Campaign,
  held: FencedLock,
  signal: AbortSignal,
  write: (tx: Tx) => Promise<unknown>,
): Promise<boolean> {
  return ctx.db.transaction(
    accountId,
    async (tx) => {
      await fence(tx, held.fence)
      if (!(await isPreparing(tx, id))) return false
      await write(tx)
      return true
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
