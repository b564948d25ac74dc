import { AppError, failureOf, shares } from '@lockstep/contracts'
import { sqlState, type Tx } from '@lockstep/database'
import type { AudienceContact } from '@lockstep/rpc/gen/contacts'
import { type FencedLock, holdFenced } from '@lockstep/service'
import type { Context } from './context.ts'
import { isPreparing, moveCampaign } from './db/campaigns.ts'
import type { Campaign } from './db/entities.ts'
import {
  analyzeLists,
  endPreparation,
  findPreparation,
  noteListed,
  notePage,
  noteRemoved,
  noteTooSlow,
  noteWaiting,
  type Preparation,
} from './db/preparations.ts'
import { insertRecipients, type NewRecipient, removePage } from './db/recipients.ts'
import type { Person } from './placeholders.ts'
import { type Filled, valueFiller } from './values.ts'

/** How long a list is worked on before its lane is given back; a restart costs no more. */
export const listSliceMs = 3_000
/** Recipients that one statement takes off a list. */
export const removalPage = 5_000
/** A page of the audience that takes longer is too slow. */
const readTimeoutMs = 30_000
/** A page that was too slow so often in a row is too slow for good. */
const maxTooSlow = 3
const waitTurnMs = 1_000
/** Lists of which PostgreSQL should know before they are sent to. */
const largeList = 10_000

/** A list that is being worked on. */
export interface ListWork {
  ctx: Context
  campaign: Campaign
  lock: FencedLock
  endsAt: number
}

/**
 * Freezes a campaign's audience for a few seconds: everybody whom its filter names, with the reason for each one who is
 * skipped. Any number of killed runs gives the result of one: the cursor is committed with the people that it is past.
 * Answers after how many ms to go on.
 */
export async function prepare(
  ctx: Context,
  campaign: Campaign,
  lease: AbortSignal,
): Promise<number> {
  const { id, accountId } = campaign
  using turn = takeTurn(ctx.preparing, accountId)
  if (!turn) {
    const reason = `It waits: ${shares.prepares_under_way.limit} campaigns of this account are being prepared.`
    await ctx.db.transaction(accountId, (tx) => noteWaiting(tx, id, reason))
    return waitTurnMs * ctx.scale
  }
  await using lock = await holdFenced(ctx, 'campaign_prepare_recipients', id, { signal: lease })
  const work = { ctx, campaign, lock, endsAt: performance.now() + listSliceMs * ctx.scale }
  const preparation = await ctx.db.transaction(accountId, (tx) => findPreparation(tx, id))
  if (!preparation)
    throw new AppError('internal', `Nothing says how far campaign ${id} is prepared`)
  if (preparation.listed) await removeOthers(work, preparation)
  else await listPeople(work, preparation)
  return 0
}

/** One of an account's turns to prepare in this process, given back by disposing; null when all are taken. */
function takeTurn(preparing: Map<string, number>, accountId: string): Disposable | null {
  const others = preparing.get(accountId) ?? 0
  if (others >= shares.prepares_under_way.limit) return null
  preparing.set(accountId, others + 1)
  return {
    [Symbol.dispose]() {
      const left = preparing.get(accountId)! - 1
      if (left > 0) preparing.set(accountId, left)
      else preparing.delete(accountId)
    },
  }
}

/** Puts people on the list from where the last slice ended; whoever finds that another has come further leaves it to that one. */
async function listPeople(work: ListWork, preparation: Preparation): Promise<void> {
  const { ctx, campaign } = work
  const { accountId, filter, values } = campaign
  const template = await ctx.peers.templates.getTemplate(
    { id: campaign.templateId },
    { accountId, signal: work.lock.signal },
  )
  const { category } = template
  const fill = valueFiller(
    { name: template.name, components: JSON.parse(template.componentsJson) },
    values,
  )
  let from = preparation
  try {
    const call = { accountId, signal: work.lock.signal, timeoutMs: readTimeoutMs * ctx.scale }
    for await (const { contacts } of ctx.peers.contacts.streamAudience(
      { filter, category, after: from.afterContact },
      call,
    )) {
      const people = contacts.map((contact) => toRecipient(fill, contact))
      if (!(await addPeople(work, from, people))) return
      from = { ...from, afterContact: people.at(-1)!.contactId }
      if (performance.now() >= work.endsAt) return
    }
  } catch (error) {
    if (!isTooMuch(error) || work.lock.signal.aborted || error instanceof PersonTooLarge)
      throw error
    if (from === preparation) await tooSlow(work, from, error)
    return
  }
  await whilePreparing(
    work,
    async (tx) => (await noteListed(tx, campaign.id, from)) && (from.leftovers || finish(work, tx)),
  )
}

/** Adds a page to the list and moves the cursor past it, half by half where it is too much for one statement; false when another has. */
async function addPeople(
  work: ListWork,
  from: Preparation,
  people: NewRecipient[],
): Promise<boolean> {
  const { ctx, campaign } = work
  const { id } = campaign
  const queued = people.filter(({ state }) => state === 'queued').length
  const page = { afterContact: people.at(-1)!.contactId, queued, skipped: people.length - queued }
  try {
    return await whilePreparing(work, async (tx) => {
      if (!(await notePage(tx, id, from, page))) return false
      await insertRecipients(tx, id, from.runId, people)
      return true
    })
  } catch (error) {
    if (!isTooMuch(error) || work.lock.signal.aborted) throw error
    if (people.length === 1) throw new PersonTooLarge(ctx, page.afterContact, error)
    const half = Math.ceil(people.length / 2)
    const first = people.slice(0, half)
    if (!(await addPeople(work, from, first))) return false
    return addPeople(work, { ...from, afterContact: first.at(-1)!.contactId }, people.slice(half))
  }
}

/** The same would be too much again: a statement or a call ran into its bound, or a message was too large. */
function isTooMuch(error: unknown): boolean {
  const failure = failureOf(error)
  return failure === 'timeout' || failure === 'too_large' || sqlState(error) === '57014'
}

/** The campaign's own trouble, so without its cause, which would say that the database is away. */
class PersonTooLarge extends AppError {
  constructor({ log }: Context, contactId: string, err: unknown) {
    super('precondition', `Contact ${contactId} is too large to be put on the list in time`)
    log.warn({ err, contactId }, 'A person could not be put on a list in time')
  }
}

/** Counts that the next page could not be read in time, and gives up in words when it never can. */
async function tooSlow(
  { ctx, campaign: { id, accountId, filter } }: ListWork,
  from: Preparation,
  err: unknown,
): Promise<void> {
  const where = from.afterContact ? `after contact ${from.afterContact}` : 'at the first contact'
  const tags = filter.tags.map((tag) => `"${tag}"`).join(', ')
  ctx.log.warn({ err, campaignId: id }, 'A page of an audience could not be read in time')
  if (from.tooSlow + 1 >= maxTooSlow)
    throw new AppError(
      'precondition',
      `Reading the people with ${tags} takes too long ${where}. Choose a tag that fewer people carry`,
    )
  await ctx.db.transaction(accountId, (tx) => noteTooSlow(tx, id))
}

/** Takes those off the list whom an earlier run has put there, then ends the preparation. */
async function removeOthers(work: ListWork, { runId, afterRecipient }: Preparation): Promise<void> {
  const campaignId = work.campaign.id
  for (let after = afterRecipient; performance.now() < work.endsAt; ) {
    let next: string | null = null
    const done = await whilePreparing(work, async (tx) => {
      next = await removePage(tx, { campaignId, after, limit: removalPage, otherThanRun: runId })
      if (next === null) await finish(work, tx)
      else await noteRemoved(tx, campaignId, next)
      return next === null
    })
    if (done || next === null) return
    after = next
  }
}

async function finish({ ctx, campaign }: ListWork, tx: Tx): Promise<boolean> {
  const { queued, skipped } = await endPreparation(tx, campaign.id)
  const recipients = queued + skipped
  if (queued > 0) await moveCampaign(tx, campaign.id, ['preparing'], 'sending')
  else
    await moveCampaign(tx, campaign.id, ['preparing'], 'completed', {
      reason: nobody(campaign, skipped),
      finishedAt: new Date(ctx.now()),
    })
  tx.afterCommit(() => {
    ctx.log.info({ campaignId: campaign.id, recipients }, 'A campaign was prepared')
    if (recipients >= largeList)
      void ctx.db
        .system(analyzeLists)
        .catch((err) => ctx.log.warn({ err }, 'The lists were not analyzed'))
  })
  return true
}

/** Why a list has nobody to write to, in words. */
function nobody({ filter: { tags } }: Campaign, skipped: number): string {
  const tagged = tags.map((tag) => `"${tag}"`).join(' or ')
  if (skipped === 0) return `Nobody was written to: no contact has the tag ${tagged}.`
  return `Nobody was written to: ${skipped === 1 ? 'the one person' : `all ${skipped} people`} with the tag ${tagged} had to be left out. The list of recipients says why.`
}

/** Writes only while the campaign is being prepared; false when it isn't, or as `write` says. */
function whilePreparing(
  { campaign, lock }: ListWork,
  write: (tx: Tx) => Promise<boolean>,
): Promise<boolean> {
  return lock.transaction(
    campaign.accountId,
    async (tx) => (await isPreparing(tx, campaign.id)) && (await write(tx)),
  )
}

function toRecipient(fill: (person: Person) => Filled, contact: AudienceContact): NewRecipient {
  const person = {
    name: contact.name,
    phone: contact.phone,
    attributes: JSON.parse(contact.attributesJson || '{}'),
  }
  const filled = fill(person)
  const reason = contact.skipReason || ('reason' in filled ? filled.reason : '')
  return {
    contactId: contact.id,
    phone: contact.waId || contact.phone,
    userId: contact.userId,
    values: 'values' in filled ? filled.values : {},
    state: reason ? 'skipped' : 'queued',
    reason,
  }
}
