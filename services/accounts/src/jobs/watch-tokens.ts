import { AppError, secretPlaces } from '@lockstep/contracts'
import { counter } from '@lockstep/telemetry'
import type { GraphToken } from '@lockstep/whatsapp'
import { recordToken } from '../connections/record-token.ts'
import type { Context } from '../context.ts'
import { type TokenCheck, takeTokenChecks } from '../db/token-checks.ts'

export const watchTokensEveryMs = 60_000

/** Connections in one page; each token among them is asked about once. */
const page = 20
/** How long a run may take; the next one goes on with what is left. */
const runMs = 30_000

const checks = counter(
  'lockstep_token_checks_total',
  'Questions to Meta about access tokens, by what came of them',
)

/** Asks Meta about the tokens of connected numbers whose time has come. */
export async function watchTokens(ctx: Context): Promise<void> {
  const endsAt = performance.now() + runMs
  for (let isMore = true; isMore && performance.now() < endsAt; ) {
    const nowMs = ctx.now()
    const againAt = new Date(nowMs + ctx.times.tokenCheckLeaseMs)
    const due = await takeTokenChecks(ctx.db, { at: new Date(nowMs), againAt, most: page })
    const answered = await checkTokens(ctx, due)
    // Meta is away: what is left stays due, and what was taken comes again.
    isMore = due.length === page && answered
  }
}

/** Answers whether Meta answered to all. */
async function checkTokens(ctx: Context, due: TokenCheck[]): Promise<boolean> {
  const opened = due.flatMap((check) => openCheck(ctx, check))
  const byToken = Map.groupBy(opened, ({ metaAppId, token }) => `${metaAppId} ${token}`)
  const all = [...byToken.values()].map(async (same) => {
    const said = await ask(ctx, same[0]!)
    if (said) for (const check of same) await recordToken(ctx, check, said)
    return said !== null
  })
  return (await Promise.all(all)).every(Boolean)
}

type OpenedCheck = TokenCheck & { token: string; appSecret: string }

/** Nothing for a row whose secrets no key opens: its sends tell that. */
function openCheck({ secrets, log }: Context, check: TokenCheck): OpenedCheck[] {
  const { id, accountId, appId, sealedToken, sealedSecret } = check
  try {
    const token = secrets.open(sealedToken, secretPlaces.connection(id, accountId))
    const appSecret = secrets.open(sealedSecret, secretPlaces.appSecret(appId, accountId))
    return [{ ...check, token, appSecret }]
  } catch (err) {
    log.error({ err, connection: id }, 'A token can not be opened, and is not watched')
    return []
  }
}

/** Null when Meta didn't say anything of the token itself. */
async function ask(
  { graph, log }: Context,
  { metaAppId, appSecret, token, id }: OpenedCheck,
): Promise<GraphToken | null> {
  try {
    const said = await graph.inspectToken({ metaAppId, appSecret, token })
    checks(1, { result: said.isValid ? 'valid' : 'invalid' })
    return said
  } catch (err) {
    if (!(err instanceof AppError)) throw err
    checks(1, { result: 'unanswered' })
    log.warn({ err, connection: id }, 'Meta said nothing of an access token')
    return null
  }
}
