import { hash } from 'node:crypto'
import type { Settings, Span } from './settings.ts'

/**
 * A stream of numbers in [0, 1) that depends on its key alone. Nothing in the simulator is random in any other way, so that the
 * order in which requests arrive changes nobody's fate.
 */
export function draws(...key: (string | number)[]): () => number {
  const digest = hash('sha256', key.join('|'), 'buffer')
  let a = digest.readInt32LE(0)
  let b = digest.readInt32LE(4)
  let c = digest.readInt32LE(8)
  let d = digest.readInt32LE(12)
  return () => {
    // sfc32: small, fast, and good enough for shares and delays.
    const t = (((a + b) | 0) + d) | 0
    d = (d + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (c << 21) | (c >>> 11)
    c = (c + t) | 0
    return (t >>> 0) / 4_294_967_296
  }
}

/** A point of a range. */
export function within(range: Span, draw: number): number {
  return range.min + Math.max(0, range.max - range.min) * draw
}

/** The key whose cumulated share holds the draw, or undefined when the shares leave it out. */
export function pickShare<K extends string>(
  shares: Partial<Record<K, number>>,
  draw: number,
): K | undefined {
  let sum = 0
  for (const key in shares) {
    sum += shares[key] ?? 0
    if (draw < sum) return key
  }
  return undefined
}

/**
 * A message id of Meta's form: `wamid.` + base64 of a header, the person's digits and a random tail. The layout is read off the
 * captured ids in graph/send-ok-template-accepted.json (out, 18 hex digits); ids of inbound messages have 0x12 and 20 digits [U].
 */
export function wamid(
  person: string,
  direction: 'out' | 'in',
  ...key: (string | number)[]
): string {
  const length = direction === 'out' ? 18 : 20
  const tail = hash('sha256', `wamid|${direction}|${key.join('|')}`, 'hex')
    .slice(0, length)
    .toUpperCase()
  const head = `\x1c\x18${String.fromCharCode(person.length)}`
  const mark = direction === 'out' ? `\x15\x02\x00\x11\x18\x12` : `\x15\x02\x00\x12\x18\x14`
  return `wamid.${Buffer.from(`${head}${person}${mark}${tail}\0`, 'latin1').toString('base64')}`
}

type StepKind = 'sent' | 'delivered' | 'read' | 'failed' | 'reply'

/** One thing that will happen to a message, `afterMs` after the thing before it. */
export interface Step {
  kind: StepKind
  afterMs: number
  /** Error code of `failed`. */
  code?: number
  /** Text of `reply`. */
  text?: string
}

/**
 * All that will happen to the `nth` message of a number to a recipient. Every draw is made whether it is needed or not: a changed
 * share then moves only the messages it is about.
 */
export function fateOf(
  settings: Settings,
  phoneNumberId: string,
  recipient: string,
  nth: number,
): Step[] {
  const draw = draws(settings.seed, phoneNumberId, recipient, nth)
  const [fails, lost, reads, silent, revives, replies, stops, which] = Array.from(
    { length: 8 },
    draw,
  ) as [number, number, number, number, number, number, number, number]
  const after = {
    sent: within(settings.delaysMs.sent, draw()),
    failed: within(settings.delaysMs.failed, draw()),
    delivered: within(settings.delaysMs.delivered, draw()),
    read: within(settings.delaysMs.read, draw()),
    reply: within(settings.delaysMs.reply, draw()),
  }
  const { shares, replies: words } = settings
  const code = pickShare(settings.failed, fails)
  const steps: Step[] = [
    code === undefined
      ? { kind: 'sent', afterMs: after.sent }
      : { kind: 'failed', afterMs: after.failed, code: Number(code) },
  ]
  const arrives =
    code === undefined ? lost >= shares.undelivered : revives < shares.failedThenDelivered
  if (!arrives) return steps
  const read = reads < shares.read
  const skipDelivered = read && silent < shares.readWithoutDelivered
  if (!skipDelivered) steps.push({ kind: 'delivered', afterMs: after.delivered })
  if (read)
    steps.push({ kind: 'read', afterMs: after.read + (skipDelivered ? after.delivered : 0) })
  if (replies < shares.reply) {
    const text =
      stops < shares.stop ? words.stopWord : words.texts[Math.floor(which * words.texts.length)]
    steps.push({ kind: 'reply', afterMs: after.reply, text })
  }
  return steps
}

const names = [
  'Aino Mäkelä',
  'Bruno Souza',
  'Chloé Martin',
  'Deniz Yılmaz',
  'Emma Schröder',
  'Farid Rahimi',
  'Grace Okafor',
  '花子 😀',
  'Ivan Petrović',
  'Julia Nowak',
]
const countries: [string, string][] = [
  ['55', 'BR'],
  ['49', 'DE'],
  ['44', 'GB'],
  ['33', 'FR'],
  ['34', 'ES'],
  ['52', 'MX'],
  ['54', 'AR'],
  ['91', 'IN'],
  ['62', 'ID'],
]

/** A person as one business portfolio sees them. `waId` is absent when the business knows only the business-scoped user id. */
export interface Person {
  waId?: string
  userId: string
  name: string
}

/**
 * The person behind a wa_id or a business-scoped user id. The user id (`CC.` and digits) is the same for all numbers of a WABA and
 * another one elsewhere (meta-cloud-api.md §3, "BSUID").
 */
export function personOf(wabaId: string, recipient: string): Person {
  const digest = hash('sha256', `person|${wabaId}|${recipient}`, 'buffer')
  const name = names[digest[0]! % names.length]!
  if (recipient.includes('.')) return { userId: recipient, name }
  const country = countries.find(([prefix]) => recipient.startsWith(prefix))?.[1] ?? 'US'
  const digits = digest.readBigUInt64LE(8).toString().padStart(20, '1')
  return { waId: recipient, userId: `${country}.${digits}`, name }
}
