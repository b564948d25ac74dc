import { type LaneName, shares } from '@lockstep/contracts'
import { fieldRule, type Part, parseWebhook, splitInSteps, type Tokens } from '@lockstep/whatsapp'
import { type App, owns } from './app.ts'

/** A body whose signature was good. */
export interface SignedBody {
  appId: string
  /** When the whole body was there, ms. */
  receivedAtMs: number
  raw: Buffer
}

/** A part as it is stored: it waits in a lane, or it has its outcome already. */
export interface NewPart {
  /** Where it waits, or would if the number or WABA were its app's. */
  lane: LaneName | null
  key: string | null
  field: string | null
  elements: number
  /** Null when the part is the entire body. */
  content: Buffer | null
  outcome: 'no_connection' | 'over_share' | 'unknown_field' | 'unreadable' | null
  reason: string | null
  /** It says of somebody that they may not be written to any more, in a campaign's lane: it counts like a reply that is not heard. */
  hasRefusal?: boolean
}

export interface SplitRules {
  tokens: Tokens
  /** A body may use its shares only; false for an operator's replay. */
  isBounded?: boolean
  /** Hears of a token that looks like ours and is not. */
  onForged?: () => void
}

const maxKeys = {
  own: shares.body_keys.limit,
  other: shares.body_other_keys.limit,
  fields: shares.body_keys.limit,
}

/**
 * The parts of a body that an app signed; one about a number or WABA that is not the app's is `no_connection`. A status whose token is
 * ours for a number that the app has or had waits in its campaign's lane, any other in the number's.
 */
export function partsOf(raw: Buffer, app: App | undefined, rules: SplitRules): NewPart[] {
  const steps = partsInSteps(raw, app, rules)
  for (;;) {
    const { done, value } = steps.next()
    if (done) return value
  }
}

/** As `partsOf`, with pauses in which others have their turn. */
export function* partsInSteps(
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
    const isOurs =
      app && (app.phoneNumberIds.has(phoneNumberId) || app.formerPhoneNumberIds.has(phoneNumberId))
    return isOurs && named?.kind === 'c'
      ? { lane: 'webhooks.campaign' as const, key: named.ownerId }
      : undefined
  }
  const isOwn = (lane: LaneName, key: string, field: string | null) =>
    app !== undefined && owns(app, lane, key, field)
  const parts = yield* splitInSteps(raw, { verifyToken, isOwn, ...(isBounded && { maxKeys }) })
  return parts.map((part) => toNewPart(part, raw, isOwn))
}

function toNewPart(
  { reason: why, isOver, ...part }: Part,
  raw: Buffer,
  isOwn: (lane: LaneName, key: string, field: string | null) => boolean,
): NewPart {
  const reason = why ?? null
  if (part.lane !== null)
    return {
      ...part,
      outcome: isOwn(part.lane, part.key!, part.field) ? null : 'no_connection',
      reason,
    }
  if (isOver) return { ...part, outcome: 'over_share', reason }
  if (part.field !== null && fieldRule(part.field).lane === null)
    return { ...part, outcome: 'unknown_field', reason }
  // Of a body that is no webhook at all nobody can say how many elements it was meant to hold.
  const elements = part.content === null && 'unreadable' in parseWebhook(raw) ? 0 : part.elements
  return { ...part, elements, outcome: 'unreadable', reason }
}
