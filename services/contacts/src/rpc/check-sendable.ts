import { AppError } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type { CheckSendableRequest, CheckSendableResponse } from '@lockstep/rpc/gen/contacts'
import { refusalOf } from '../consent.ts'
import type { Context } from '../context.ts'
import { liveContacts } from '../db/queries.ts'
import { isId } from '../page.ts'

const maxContacts = 10_000
/** A caller that waits longer does better to try again. */
const checkMs = 1_000

/** Whether each contact may be written to at this moment, in the order of the request. */
export const checkSendable: Method<Context, CheckSendableRequest, CheckSendableResponse> = async (ctx, request, call) => {
  const asked = request.contactIds
  if (asked.length > maxContacts) throw new AppError('invalid', `${asked.length} contacts at once; at most ${maxContacts} are allowed`)
  const options = { signal: call.signal, statementTimeoutMs: checkMs }
  const live = await ctx.checks.transaction(call.accountId, (tx) => liveContacts(tx, asked.filter(isId)), options)
  return {
    results: asked.map((contactId) => {
      const contact = live.get(contactId)
      return { contactId, refusal: refusalOf(contact, request.marketing), also: contact?.also ?? [] }
    }),
  }
}
