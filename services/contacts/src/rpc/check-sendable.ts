import { AppError } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type {
  CheckSendableRequest,
  CheckSendableResponse,
  Sendable,
} from '@lockstep/rpc/gen/contacts'
import { isSentDespiteOptOut, refusalOf } from '../consents/consent.ts'
import type { Context } from '../context.ts'
import { consentRules } from '../db/consent-rules.ts'
import { liveContacts } from '../db/contacts.ts'
import { isId } from '../row-id.ts'

const maxContacts = 10_000
/** A caller that waits longer does better to try again. */
const checkMs = 1_000

/** Whether and where each contact may be written to at this moment. */
export const checkSendable: Method<Context, CheckSendableRequest, CheckSendableResponse> = async (
  ctx,
  request,
  call,
) => {
  const asked = request.contactIds
  if (asked.length > maxContacts)
    throw new AppError(
      'invalid',
      `${asked.length} contacts at once; at most ${maxContacts} are allowed`,
    )
  const options = { signal: call.signal, statementTimeoutMs: checkMs }
  const [live, rules] = await ctx.checks.transaction(
    call.accountId,
    async (tx) => [await liveContacts(tx, asked.filter(isId)), await consentRules(tx)] as const,
    options,
  )
  const despiteOptOut = isSentDespiteOptOut(request.category, rules)
  return {
    results: asked.map((contactId): Sendable => {
      const contact = live.get(contactId)
      const refusal = refusalOf(contact, despiteOptOut)
      const address = refusal
        ? { phone: '', userId: '' }
        : { phone: contact!.waId || contact!.phone, userId: contact!.userId }
      return { contactId, refusal, otherContactIds: contact?.otherContactIds ?? [], ...address }
    }),
  }
}
