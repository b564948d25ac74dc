import type { Method } from '@lockstep/rpc'
import type { ListContactsRequest, ListContactsResponse } from '@lockstep/rpc/gen/contacts'
import { requireId } from '@lockstep/service'
import type { Context } from '../context.ts'
import { listContacts as contactsPage } from '../db/queries.ts'
import { listed } from '../listed.ts'
import { pageLimit } from '../page.ts'

/** A page of the account's contacts in id order; 50 by default, at most 200. */
export const listContacts: Method<Context, ListContactsRequest, ListContactsResponse> = async (
  ctx,
  request,
  call,
) => {
  const limit = pageLimit(request.limit, 50, 200)
  const after = request.after ? requireId(request.after, 'contact') : null
  const page = { tag: request.tag, after, limit }
  return {
    contacts: await listed(ctx, call.accountId, call.signal, (tx) => contactsPage(tx, page)),
  }
}
