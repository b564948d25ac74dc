import type { Context } from '../context.ts'
import { findAttribute } from '../db/attributes.ts'
import {
  attributesWithWork,
  deleteValues,
  indexAttributes,
  lockIndexWork,
  lockNextContacts,
  writeIndexed,
} from '../db/contact-values.ts'

export const indexEveryMs = 2_000

/** Contacts that one transaction looks at. */
const page = 1_000
/** How long a run works on one definition; the next one goes on where it stopped. */
const runMs = 5_000

/** Indexes contacts that were there before an attribute had its type, and forgets dropped ones. */
export async function indexAttributeValues(ctx: Context): Promise<void> {
  for (const { id, accountId } of await attributesWithWork(ctx.db)) {
    const endsAt = performance.now() + runMs
    while (performance.now() < endsAt && (await workOn(ctx, accountId, id)) === 'more');
  }
}

/** A page of the work on a definition. */
function workOn(ctx: Context, accountId: string, id: string): Promise<'more' | 'enough'> {
  return ctx.db.transaction(accountId, async (tx) => {
    const work = await lockIndexWork(tx, id)
    if (!work) return 'enough'
    if (work.isDropped) return (await deleteValues(tx, id, page)) ? 'enough' : 'more'
    if (!work.isSeen) return 'enough'
    const contactIds = await lockNextContacts(tx, work.after, page)
    await indexAttributes(tx, contactIds, [await findAttribute(tx, id)])
    const isLast = contactIds.length < page
    await writeIndexed(tx, id, isLast ? null : contactIds.at(-1)!)
    return isLast ? 'enough' : 'more'
  })
}
