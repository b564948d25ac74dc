import type { Method } from '@lockstep/rpc'
import type { Contact, GetContactRequest } from '@lockstep/rpc/gen/contacts'
import { requireId } from '@lockstep/service'
import type { Context } from '../context.ts'
import { findContact } from '../db/queries.ts'

/** One contact of the account, or the one that it was merged into. */
export const getContact: Method<Context, GetContactRequest, Contact> = (ctx, request, call) =>
  ctx.db.transaction(call.accountId, (tx) => findContact(tx, requireId(request.id, 'contact')))
