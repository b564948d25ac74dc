import type { Method } from '@lockstep/rpc'
import type { ConsentRules, GetConsentRulesRequest } from '@lockstep/rpc/gen/contacts'
import type { Context } from '../context.ts'
import { consentRules, writeConsentRules } from '../db/consent-rules.ts'

export const getConsentRules: Method<Context, GetConsentRulesRequest, ConsentRules> = (
  ctx,
  _request,
  call,
) => ctx.db.transaction(call.accountId, consentRules)

/** Counts from the next check on, which is before each message. */
export const setConsentRules: Method<Context, ConsentRules, ConsentRules> = (ctx, rules, call) =>
  ctx.db.transaction(call.accountId, async (tx) => {
    await writeConsentRules(tx, rules)
    return consentRules(tx)
  })
