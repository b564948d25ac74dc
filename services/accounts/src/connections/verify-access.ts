import { AppError, failureOf } from '@lockstep/contracts'
import { type GraphAccess, type GraphPhoneNumber, provenAccess } from '@lockstep/whatsapp'
import type { Context } from '../context.ts'
import type { App } from '../db/entities.ts'
import { appSecretOf } from '../secrets/app-secret.ts'
import { requireHeaderText } from './header-text.ts'
import { tokenFacts } from './token-facts.ts'
import { missingScopes, type TokenFacts } from './token-health.ts'
import { type NumberClaim, verifyNumber } from './verify-number.ts'

export interface VerifiedNumber {
  number: GraphPhoneNumber
  token: TokenFacts
  /** What Meta was asked with. */
  access: GraphAccess
}

/**
 * Whether Meta lets the app's token use a number: asked before anything is stored. Its app then
 * hears the WABA's webhooks.
 */
export async function verifyAccess(
  ctx: Context,
  app: App,
  claim: NumberClaim,
): Promise<VerifiedNumber> {
  requireHeaderText(claim.token, 'access_token')
  const appSecret = appSecretOf(ctx, app)
  const access = provenAccess(claim.token, appSecret)
  const token = await verifyToken(ctx, { metaAppId: app.metaAppId, appSecret }, claim)
  const number = await verifyNumber(ctx, claim, access)
  await subscribe(ctx, app, claim, access)
  return { number, token, access }
}

/** Whether a secret is that of an app at Meta; throws `precondition` with Meta's reason. */
export async function verifyApp(
  { graph }: Context,
  app: { metaAppId: string; appSecret: string; signal: AbortSignal | undefined },
): Promise<void> {
  const { metaAppId, appSecret, signal } = app
  requireHeaderText(appSecret, 'secret')
  await graph
    .checkApp({ metaAppId, appSecret, ...(signal && { signal }) })
    .catch((error) => refuse(error, `Meta does not take this secret for the app ${metaAppId}`))
}

async function verifyToken(
  { graph }: Context,
  { metaAppId, appSecret }: { metaAppId: string; appSecret: string },
  { phoneNumberId, token, signal }: NumberClaim,
): Promise<TokenFacts> {
  const said = await graph
    .inspectToken({ metaAppId, appSecret, token, ...(signal && { signal }) })
    .catch((error) =>
      refuse(
        error,
        `Meta does not know this token as one of the app ${metaAppId}; check the app's secret, and that the token was made for it`,
      ),
    )
  if (!said.isValid)
    throw new AppError(
      'precondition',
      `Meta does not let this token use the number ${phoneNumberId}: ${said.problem}`,
    )
  const missing = missingScopes(said.scopes)
  if (missing.length > 0)
    throw new AppError(
      'precondition',
      `The token lacks the permission ${missing.join(' and ')}; make one that has it`,
    )
  return tokenFacts(said)
}

/** Without a subscription a number would send and hear nothing. */
async function subscribe(
  { graph }: Context,
  { metaAppId }: App,
  { wabaId, signal }: NumberClaim,
  access: GraphAccess,
): Promise<void> {
  const apps = await graph.subscribeApp({ wabaId, ...access, ...(signal && { signal }) })
  if (apps.includes(metaAppId)) return
  throw new AppError(
    'precondition',
    `Meta did not subscribe the app ${metaAppId} to the webhooks of WhatsApp Business Account ${wabaId}; connect the number again, or subscribe it in Meta's settings`,
  )
}

/** Says what was refused, before Meta's reason. */
export function refuse(error: unknown, what: string): never {
  if (!(error instanceof AppError) || failureOf(error) !== 'precondition') throw error
  const { details, message } = error
  throw new AppError('precondition', `${what}: ${message}`, { details, cause: error })
}
