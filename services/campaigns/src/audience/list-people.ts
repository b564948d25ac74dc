import { AppError } from '@lockstep/contracts'
import type { AudienceContact } from '@lockstep/rpc/gen/contacts'
import type { Context } from '../context.ts'
import { addReadTimeout, type Preparation, writeListed, writePage } from '../db/preparations.ts'
import { insertRecipients, type NewRecipient } from '../db/recipient-list.ts'
import { finishList } from './finish-list.ts'
import { isTooMuch, type ListWork, whilePreparing } from './list-work.ts'
import type { Person } from './placeholders.ts'
import { type FilledValues, valueFiller } from './template-values.ts'

/** A page of the audience that could not be read in time so often in a row never will be. */
const maxReadTimeouts = 3

/**
 * Puts people on the list from where the last slice ended; whoever finds that another has come
 * further stops.
 */
export async function listPeople(work: ListWork, preparation: Preparation): Promise<void> {
  const { ctx, campaign, lock } = work
  const { accountId, filter, values, templateId } = campaign
  const call = { accountId, signal: lock.signal }
  const template = await ctx.peers.templates.getTemplate({ id: templateId }, call)
  const { name, category } = template
  const fill = valueFiller({ name, components: JSON.parse(template.componentsJson) }, values)
  let from = preparation
  try {
    const pages = ctx.peers.contacts.streamAudience(
      { filter, category, after: from.afterContact },
      { ...call, timeoutMs: ctx.times.audiencePageMs },
    )
    for await (const { contacts } of pages) {
      const people = contacts.map((contact) => toRecipient(fill, contact))
      if (!(await addPeople(work, from, people))) return
      from = { ...from, afterContact: people.at(-1)!.contactId }
      if (performance.now() >= work.endsAt) return
    }
  } catch (error) {
    if (!isTooMuch(error) || lock.signal.aborted || error instanceof PersonTooLarge) throw error
    if (from === preparation) await countReadTimeout(work, from, error)
    return
  }
  await whilePreparing(work, async (tx) => {
    if (!(await writeListed(tx, campaign.id, from))) return false
    if (!from.leftovers) await finishList(work, tx)
    return true
  })
}

/**
 * Adds a page and moves the cursor past it, half by half where it is too much for one statement;
 * false when another has.
 */
async function addPeople(
  work: ListWork,
  from: Preparation,
  people: NewRecipient[],
): Promise<boolean> {
  const { ctx, campaign, lock } = work
  const { id } = campaign
  const queued = people.filter(({ state }) => state === 'queued').length
  const page = { afterContact: people.at(-1)!.contactId, queued, skipped: people.length - queued }
  try {
    return await whilePreparing(work, async (tx) => {
      if (!(await writePage(tx, id, from, page))) return false
      await insertRecipients(tx, id, from.runId, people)
      return true
    })
  } catch (error) {
    if (!isTooMuch(error) || lock.signal.aborted) throw error
    if (people.length === 1) throw new PersonTooLarge(ctx, page.afterContact, error)
    const half = Math.ceil(people.length / 2)
    const first = people.slice(0, half)
    if (!(await addPeople(work, from, first))) return false
    return addPeople(work, { ...from, afterContact: first.at(-1)!.contactId }, people.slice(half))
  }
}

/** The campaign's own trouble, so without its cause, which would say that the database is away. */
class PersonTooLarge extends AppError {
  constructor({ log }: Context, contactId: string, err: unknown) {
    super('precondition', `Contact ${contactId} is too large to be put on the list in time`)
    log.warn({ err, contactId }, 'A person could not be put on a list in time')
  }
}

/** Throws `precondition` once a page never can be read in time. */
async function countReadTimeout(
  { ctx, campaign: { id, accountId, filter } }: ListWork,
  from: Preparation,
  err: unknown,
): Promise<void> {
  const where = from.afterContact ? `after contact ${from.afterContact}` : 'at the first contact'
  const tags = filter.tags.map((tag) => `"${tag}"`).join(', ')
  ctx.log.warn({ err, campaignId: id }, 'A page of an audience could not be read in time')
  if (from.readTimeouts + 1 >= maxReadTimeouts)
    throw new AppError(
      'precondition',
      `Reading the people with ${tags} takes too long ${where}. Choose a tag that fewer people carry`,
    )
  await ctx.db.transaction(accountId, (tx) => addReadTimeout(tx, id))
}

function toRecipient(
  fill: (person: Person) => FilledValues,
  contact: AudienceContact,
): NewRecipient {
  const { name, phone } = contact
  const filled = fill({ name, phone, attributes: JSON.parse(contact.attributesJson || '{}') })
  const reason = contact.skipReason || ('reason' in filled ? filled.reason : '')
  return {
    contactId: contact.id,
    phone: contact.waId || phone,
    userId: contact.userId,
    values: 'values' in filled ? filled.values : {},
    state: reason ? 'skipped' : 'queued',
    reason,
  }
}
