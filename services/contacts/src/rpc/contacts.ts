import type { Method } from '@lockstep/rpc'
import type {
  Contact,
  GetContactRequest,
  ListContactsRequest,
  ListContactsResponse,
} from '@lockstep/rpc/gen/contacts'
import { pageLimit, requireId } from '@lockstep/service'
import type { Context } from '../context.ts'
import { findContact, listContacts as readPage } from '../db/contacts.ts'
import { readList } from '../list-transaction.ts'

/** One contact of the account, or the one that it was merged into. */
export const getContact: Method<Context, GetContactRequest, Contact> = (ctx, request, call) =>
  ctx.db.transaction(call.accountId, (tx) => findContact(tx, requireId(request.id, 'contact')))

/** A page of the account's contacts in id order, 50 by default and at most 200. */
export const listContacts: Method<Context, ListContactsRequest, ListContactsResponse> = async (
  ctx,
  { limit: asked, after, tag },
  { accountId, signal },
) => {
  const limit = pageLimit(asked, 50, 200)
  const page = { tag, after: after ? requireId(after, 'contact') : null, limit }
  return { contacts: await readList(ctx, accountId, signal, (tx) => readPage(tx, page)) }
}
