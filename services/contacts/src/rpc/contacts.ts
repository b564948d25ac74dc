import { AppError } from '@lockstep/contracts'
import type { Tx } from '@lockstep/database'
import type { Method } from '@lockstep/rpc'
import type {
  Contact,
  CountContactsRequest,
  CountContactsResponse,
  GetContactRequest,
  ListContactsRequest,
  ListContactsResponse,
} from '@lockstep/rpc/gen/contacts'
import { pageLimit, requireId } from '@lockstep/service'
import type { Context } from '../context.ts'
import { listAttributes } from '../db/attributes.ts'
import { contactSettings } from '../db/contact-settings.ts'
import {
  countContacts as count,
  findContact,
  listContacts as readPage,
  searchContacts,
} from '../db/contacts.ts'
import { type ContactFilter, readContactFilter } from '../filters/contact-filter.ts'
import { readList } from '../list-transaction.ts'

/** One contact of the account, or the one that it was merged into. */
export const getContact: Method<Context, GetContactRequest, Contact> = (ctx, request, call) =>
  ctx.db.transaction(call.accountId, (tx) => findContact(tx, requireId(request.id, 'contact')))

/** A page of the account's contacts in id order, 50 by default and at most 200. */
export const listContacts: Method<Context, ListContactsRequest, ListContactsResponse> = async (
  ctx,
  { limit: asked, after, tag, filterJson },
  { accountId, signal },
) => {
  if (tag && filterJson)
    throw new AppError('invalid', 'Name a tag or a filter, not both: a filter may name the tag')
  const limit = pageLimit(asked, 50, 200)
  const page = { after: after ? requireId(after, 'contact') : null, limit }
  const contacts = await readList(ctx, accountId, signal, async (tx) =>
    filterJson
      ? searchContacts(tx, await readFilter(ctx, tx, filterJson), page)
      : readPage(tx, { tag, ...page }),
  )
  return { contacts }
}

/** How many of the account's contacts a filter means, by committed rows. */
export const countContacts: Method<Context, CountContactsRequest, CountContactsResponse> = async (
  ctx,
  { filterJson },
  { accountId, signal },
) =>
  readList(ctx, accountId, signal, async (tx) => {
    const filter = await readFilter(ctx, tx, filterJson)
    return { count: await count(tx, filter), filterJson: JSON.stringify(JSON.parse(filterJson)) }
  })

async function readFilter(ctx: Context, tx: Tx, json: string): Promise<ContactFilter> {
  const attributes = new Map((await listAttributes(tx)).map((row) => [row.name, row]))
  const { timeZone } = await contactSettings(tx)
  return readContactFilter(json, { attributes, timeZone, now: new Date(ctx.now()) })
}
