import type { GraphToken } from '@lockstep/whatsapp'
import type { Context } from '../context.ts'
import type { TokenColumns } from '../db/entities.ts'
import { nextCheckAt, noticeOf, type TokenFacts } from './token-health.ts'

const dateOf = (ms: number | null): Date | null => (ms === null ? null : new Date(ms))

/** What Meta says of a token, as it is kept. */
export const tokenFacts = (said: GraphToken): TokenFacts => ({
  tokenExpiresAt: dateOf(said.expiresAtMs),
  dataAccessExpiresAt: dateOf(said.dataAccessExpiresAtMs),
  tokenScopes: said.scopes,
  tokenProblem: said.isValid ? '' : said.problem.slice(0, 500) || 'It is not valid.',
})

/** The columns of a connection after Meta was asked of its token. */
export function checkedToken(ctx: Context, facts: TokenFacts): TokenColumns {
  const nowMs = ctx.now()
  const { tokenExpiresAt = null, dataAccessExpiresAt = null } = facts
  return {
    ...facts,
    tokenExpiresAt,
    dataAccessExpiresAt,
    tokenCheckedAt: new Date(nowMs),
    tokenCheckDueAt: nextCheckAt(facts, nowMs, ctx.times.tokenCheckMs),
    tokenNotice: noticeOf(facts, nowMs),
  }
}
