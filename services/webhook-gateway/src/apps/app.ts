import { createSecretKey } from 'node:crypto'
import { lanes, secretPlaces, type WebhookLane } from '@lockstep/contracts'
import type { AppSecrets, GetWebhookAppResponse } from '@lockstep/rpc/gen/accounts'
import type { BaseContext, Secrets } from '@lockstep/service'
import type { AppSecret } from '@lockstep/whatsapp'

/** Phone number ids and WABA ids. */
export interface Keys {
  phoneNumberIds: readonly string[]
  wabaIds: readonly string[]
}

/** A Meta app as the gateway needs it. */
export interface App {
  id: string
  accountId: string
  verifyToken: string
  /** Of the connections that are bound to it. */
  phoneNumberIds: ReadonlySet<string>
  wabaIds: ReadonlySet<string>
  /** Of connections that have ended: only statuses of campaign messages are taken of them. */
  formerPhoneNumberIds: ReadonlySet<string>
  /**
   * The secrets that may sign its webhooks: the present one, and for a time after a rotation the
   * one before.
   */
  secrets: AppSecret[]
  /** Until when each secret is valid, ms. */
  validUntilMs: number[]
}

/** The secrets that are valid at a time. */
export function secretsAt(app: App, nowMs: number): AppSecret[] {
  return app.validUntilMs.every((untilMs) => untilMs > nowMs)
    ? app.secrets
    : app.secrets.filter((_, i) => app.validUntilMs[i]! > nowMs)
}

/** Opens an app's secrets; answers the app as it was before when one can't be opened. */
export function openApp(
  { secrets, log }: { secrets: Secrets } & Pick<BaseContext, 'log'>,
  { id, accountId, ...sealed }: AppSecrets,
  { phoneNumberIds, wabaIds, formerPhoneNumberIds }: GetWebhookAppResponse,
  before: App | undefined,
): App | undefined {
  const place = secretPlaces.appSecret(id, accountId)
  const tokenPlace = secretPlaces.appVerifyToken(id, accountId)
  const open = (bytes: Uint8Array) => createSecretKey(secrets.open(bytes, place), 'utf8')
  try {
    const hasPrevious = sealed.sealedPreviousSecret.length > 0
    const previous = hasPrevious ? [open(sealed.sealedPreviousSecret)] : []
    const previousUntilMs = hasPrevious ? [sealed.previousValidUntilMs ?? 0] : []
    return {
      id,
      accountId,
      verifyToken: secrets.open(sealed.sealedVerifyToken, tokenPlace),
      phoneNumberIds: new Set(phoneNumberIds),
      wabaIds: new Set(wabaIds),
      formerPhoneNumberIds: new Set(formerPhoneNumberIds),
      secrets: [open(sealed.sealedSecret), ...previous],
      validUntilMs: [Number.POSITIVE_INFINITY, ...previousUntilMs],
    }
  } catch (err) {
    log.error({ err, appId: id }, 'the secrets of an app can not be opened')
    return before
  }
}

/** Numbers and WABAs that the app has and had not before; null for none. */
export function keysGained(before: App | undefined, after: App): Keys | null {
  const phoneNumberIds = [...after.phoneNumberIds].filter((id) => !before?.phoneNumberIds.has(id))
  const wabaIds = [...after.wabaIds].filter((id) => !before?.wabaIds.has(id))
  return phoneNumberIds.length + wabaIds.length > 0 ? { phoneNumberIds, wabaIds } : null
}

/**
 * Whether a lane's key is the app's. A campaign's is by its token, and `partner_solutions` names no
 * WABA.
 */
export function owns(app: App, lane: WebhookLane, key: string, field: string | null): boolean {
  switch (lanes[lane].key) {
    case 'phone number id':
      return app.phoneNumberIds.has(key)
    case 'campaign id':
      return true
    case 'WABA id':
      return field === 'partner_solutions' || app.wabaIds.has(key)
  }
}

/** A lane's key as the number or WABA that it is; a campaign's is adopted by nobody. */
export function adoptableKeys(lane: WebhookLane, key: string): Keys | null {
  switch (lanes[lane].key) {
    case 'phone number id':
      return { phoneNumberIds: [key], wabaIds: [] }
    case 'campaign id':
      return null
    case 'WABA id':
      return { phoneNumberIds: [], wabaIds: [key] }
  }
}
