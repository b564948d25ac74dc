import type { LaneName } from '@lockstep/contracts'
import { type Part, parseWebhook, splitWebhook, type Tokens } from '@lockstep/whatsapp'

/** A body whose signature was good. */
export interface SignedBody {
  appId: string
  /** When the whole body was there, ms. */
  receivedAtMs: number
  raw: Buffer
}

/** A part as it is stored: it waits in a lane, or it has its outcome already. */
export interface NewPart {
  lane: LaneName | null
  key: string | null
  field: string | null
  elements: number
  /** Null when the part is the entire body. */
  content: Buffer | null
  outcome: 'unknown_field' | 'unreadable' | null
  reason: string | null
}

/** The parts of a body; a status whose token is none of ours for its number waits in the number's lane, and `onForged` hears of it. */
export function partsOf(raw: Buffer, tokens: Tokens, onForged: () => void = () => undefined): NewPart[] {
  const verifyToken = (phoneNumberId: string, token: unknown) => {
    const named = tokens.read(token, phoneNumberId)
    if (named === null && typeof token === 'string' && token.startsWith('lk1.')) onForged()
    return named?.kind === 'c' ? { lane: 'webhooks.campaign' as const, key: named.ownerId } : undefined
  }
  return splitWebhook(raw, { verifyToken }).map((part) => toNewPart(part, raw))
}

function toNewPart({ reason: why, ...part }: Part, raw: Buffer): NewPart {
  const reason = why ?? null
  if (part.lane !== null) return { ...part, outcome: null, reason }
  if (part.field !== null) return { ...part, outcome: 'unknown_field', reason }
  // Of a body that is no webhook at all nobody can say how many elements it was meant to hold.
  const elements = part.content === null && 'unreadable' in parseWebhook(raw) ? 0 : part.elements
  return { ...part, elements, outcome: 'unreadable', reason }
}
