import { type PartOutcome, shares, type WebhookLane } from '@lockstep/contracts'
import {
  fieldRule,
  parseWebhook,
  splitInSteps,
  type Tokens,
  type WebhookPart,
} from '@lockstep/whatsapp'
import { type App, owns } from '../apps/app.ts'

/** A body whose signature was valid. */
export interface SignedBody {
  appId: string
  /** When the whole body was there, ms. */
  receivedAtMs: number
  raw: Buffer
}

/** The outcomes of parts that wait in no lane. */
type SplitOutcome = Extract<
  PartOutcome,
  'no_connection' | 'over_share' | 'unknown_field' | 'unreadable'
>

/** A part as it is stored: it waits in a lane, or it has its outcome already. */
export interface NewPart {
  /** Where it waits, or would if its app had the number or WABA. */
  lane: WebhookLane | null
  key: string | null
  field: string | null
  elements: number
  /** Null when the part is the entire body. */
  content: Buffer | null
  outcome: SplitOutcome | null
  reason: string | null
  /**
   * A campaign's, in which Meta refuses a recipient for good: marketing waits for it as for a
   * reply.
   */
  hasRefusal?: boolean
}

export interface SplitRules {
  tokens: Tokens
  /** A body may use its shares only; false for an operator's replay. */
  isBounded?: boolean
  /** Called for a token in our form with a wrong tag. */
  onForged?: () => void
}

const maxKeys = {
  own: shares.body_keys.limit,
  other: shares.body_other_keys.limit,
  fields: shares.body_keys.limit,
}

/**
 * Splits a body that an app signed. A status whose token is valid for a number that the app has or
 * had waits in its campaign's lane, any other in the number's.
 */
export function splitBody(raw: Buffer, app: App | undefined, rules: SplitRules): NewPart[] {
  const steps = splitBodyInSteps(raw, app, rules)
  for (;;) {
    const { done, value } = steps.next()
    if (done) return value
  }
}

/** As `splitBody`, with pauses for other work. */
export function* splitBodyInSteps(
  raw: Buffer,
  app: App | undefined,
  rules: SplitRules,
): Generator<void, NewPart[]> {
  const { tokens, isBounded = true, onForged } = rules
  let checked = 0
  const verifyToken = (phoneNumberId: string, token: unknown) => {
    if (isBounded && ++checked > shares.body_tokens.limit) return undefined
    const named = tokens.read(token, phoneNumberId)
    if (named === null && typeof token === 'string' && token.startsWith('lk1.')) onForged?.()
    const isOwnNumber =
      app && (app.phoneNumberIds.has(phoneNumberId) || app.formerPhoneNumberIds.has(phoneNumberId))
    return isOwnNumber && named?.kind === 'c'
      ? { lane: 'webhooks.campaign' as const, key: named.ownerId }
      : undefined
  }
  const isOwn = (lane: WebhookLane, key: string, field: string | null) =>
    app !== undefined && owns(app, lane, key, field)
  const parts = yield* splitInSteps(raw, { verifyToken, isOwn, ...(isBounded && { maxKeys }) })
  return parts.map((part) => toNewPart(part, raw, isOwn))
}

function toNewPart(
  { reason: given, isOver, ...part }: WebhookPart,
  raw: Buffer,
  isOwn: (lane: WebhookLane, key: string, field: string | null) => boolean,
): NewPart {
  const reason = given ?? null
  if (part.lane !== null)
    return {
      ...part,
      outcome: isOwn(part.lane, part.key!, part.field) ? null : 'no_connection',
      reason,
    }
  if (isOver) return { ...part, outcome: 'over_share', reason }
  if (part.field !== null && fieldRule(part.field).lane === null)
    return { ...part, outcome: 'unknown_field', reason }
  // A body that is no webhook holds no elements that could be counted.
  const elements = part.content === null && 'unreadable' in parseWebhook(raw) ? 0 : part.elements
  return { ...part, elements, outcome: 'unreadable', reason }
}
