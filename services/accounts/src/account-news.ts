import { type AccountEvent, listOf, matchKey, objectOf, textOf, timestampMsOf } from '@lockstep/whatsapp'
import { wordsOf } from './account-words.ts'
import { maxPerSecond } from './connection.ts'
import type { Connection } from './db/entities.ts'

/** Why a connection sends less than it should, or nothing at all. */
export interface Hold {
  health: 'restricted' | 'disabled'
  words: string
  /** When it ends by itself; null when it doesn't. */
  untilMs: number | null
}

/**
 * `standing`: banned, deleted or offboarded; `restriction`: part of sending is forbidden, mostly for a time; `access`: taken away
 * from us, until Meta accepts a token again.
 */
export type Holds = Partial<Record<'standing' | 'restriction' | 'access', Hold | null>>

/** What Meta's news can change, each ordered by its own times. */
export type Fact = keyof Holds | 'quality' | 'messagingLimit' | 'throughput' | 'verifiedName'

type Facts = Pick<Connection, 'quality' | 'messagingLimit' | 'maxPerSecond' | 'verifiedName'>

/** One fact as an event changes it. */
export interface Change {
  fact: Fact
  /** The number that it is about, as `numberKey` writes it; undefined when it is about every number of the WABA. */
  number?: string
  set?: Partial<Facts>
  hold?: Hold | null
}

/** Our clock and Meta's may differ: an event counts as older than the connection only when it is this much older. */
const clockMarginMs = 60_000

/**
 * Applies one change that is about this connection. Webhooks come in any order and up to days late: a fact takes only news that
 * isn't older than its last, nor older than the connection, whose facts Meta was asked for when it was made.
 */
export function applyChange(connection: Connection, { fact, number, set, hold }: Change, at: Date): void {
  if (number !== undefined && numberKey(connection.displayPhoneNumber) !== number) return
  if (at.getTime() < (connection.newsAt[fact] ?? connection.connectedAt.getTime() - clockMarginMs)) return
  connection.newsAt = { ...connection.newsAt, [fact]: at.getTime() }
  Object.assign(connection, set)
  if (hold !== undefined) connection.holds = { ...connection.holds, [fact]: hold }
}

/** What a connection can do by Meta's word: a ban outweighs a restriction, and a restriction may have ended by itself. */
export function healthOf({ standing, access, restriction }: Holds, nowMs: number): { health: 'ok' | Hold['health']; words: string } {
  const holds = [standing, access, restriction].filter((hold) => hold != null && (hold.untilMs === null || hold.untilMs > nowMs)) as Hold[]
  return holds.find(({ health }) => health === 'disabled') ?? holds[0] ?? { health: 'ok', words: '' }
}

/** Meta accepts a token of the connection: whatever took the access away came before. */
export function regainAccess(connection: Connection, atMs: number): void {
  connection.holds = { ...connection.holds, access: null }
  connection.newsAt = { ...connection.newsAt, access: atMs }
}

/**
 * What stays of Meta's news when a number is connected again: what stands against its WABA, also by news from in between, unless it
 * has another WABA now. Its other facts were read anew.
 */
export function keepHolds(connection: Connection, { wabaId, atMs }: { wabaId: string; atMs: number }): void {
  const { holds, newsAt } = connection
  const since = connection.connectedAt.getTime() - clockMarginMs
  const isSame = connection.wabaId === wabaId
  connection.holds = isSame ? holds : {}
  connection.newsAt = isSame ? { standing: newsAt.standing ?? since, restriction: newsAt.restriction ?? since } : {}
  regainAccess(connection, atMs)
}

/** What an event changes in the connections of its WABA (meta-cloud-api.md §2); nothing for most: those are only kept. */
export function changesOf(event: AccountEvent): Change[] {
  switch (event.field) {
    case 'account_update':
      return standingChanges(event)
    case 'phone_number_quality_update':
      return numberChanges(event)
    case 'phone_number_name_update':
      return nameChanges(event)
    case 'business_capability_update':
      return limitChanges(event)
    default:
      return []
  }
}

/** What lets a WABA send again ends every hold: if something still stands, Meta refuses and says so. */
const released: Change[] = [
  { fact: 'standing', hold: null },
  { fact: 'restriction', hold: null },
  { fact: 'access', hold: null },
]

function standingChanges(event: AccountEvent): Change[] {
  const { value } = event
  const words = wordsOf(event)
  const standing = (health: Hold['health']): Change[] => [{ fact: 'standing', hold: { health, words, untilMs: null } }]
  switch (textOf(value.event)) {
    case 'ACCOUNT_DELETED':
    case 'ACCOUNT_OFFBOARDED':
      return standing('disabled')
    case 'PARTNER_REMOVED':
      return [{ fact: 'access', hold: { health: 'disabled', words, untilMs: null } }]
    case 'ACCOUNT_RECONNECTED':
      return released
    case 'ACCOUNT_RESTRICTION':
      return [{ fact: 'restriction', hold: { health: 'restricted', words, untilMs: lastExpiration(listOf(value.restriction_info)) } }]
    case 'DISABLED_UPDATE':
      return { DISABLE: standing('disabled'), SCHEDULE_FOR_DISABLE: standing('restricted'), REINSTATE: released }[banState(value)] ?? []
    default:
      return []
  }
}

const banState = (value: AccountEvent['value']) => textOf(objectOf(value.ban_info).waba_ban_state) ?? ''

/** When the last of the restrictions ends; null when one of them has no end. */
function lastExpiration(restrictions: unknown[]): number | null {
  const ends = restrictions.map((restriction) => timestampMsOf(objectOf(restriction).expiration))
  return ends.includes(null) || ends.length === 0 ? null : Math.max(...(ends as number[]))
}

function numberChanges(event: AccountEvent): Change[] {
  const displayed = textOf(event.value.display_phone_number)
  const word = textOf(event.value.event)
  const changes = limitChanges(event)
  if (!displayed) return changes
  const number = numberKey(displayed)
  if (word === 'THROUGHPUT_UPGRADE') changes.push({ fact: 'throughput', number, set: { maxPerSecond: maxPerSecond('HIGH') } })
  if (word === 'FLAGGED' || word === 'UNFLAGGED') changes.push({ fact: 'quality', number, set: { quality: word } })
  return changes
}

function nameChanges({ value }: AccountEvent): Change[] {
  const displayed = textOf(value.display_phone_number)
  const name = textOf(value.requested_verified_name)
  if (!displayed || !name || textOf(value.decision) !== 'APPROVED') return []
  return [{ fact: 'verifiedName', number: numberKey(displayed), set: { verifiedName: name } }]
}

/** The business's limit concerns all its numbers; one number's own (until February 2026) only that number. */
function limitChanges({ value }: AccountEvent): Change[] {
  const ofBusiness = tierOf(value.max_daily_conversations_per_business)
  const ofNumber = tierOf(value.current_limit ?? value.max_daily_conversation_per_phone)
  const messagingLimit = ofBusiness ?? ofNumber
  if (messagingLimit === undefined) return []
  const displayed = textOf(value.display_phone_number)
  const number = ofBusiness === undefined && displayed ? numberKey(displayed) : undefined
  return [{ fact: 'messagingLimit', number, set: { messagingLimit } }]
}

/** A limit as Meta names it, also where it is written as a number (-1: unlimited; both forms are seen). */
function tierOf(limit: unknown): string | undefined {
  const text = textOf(limit)
  if (text === undefined || text.startsWith('TIER_')) return text
  const people = Number(text)
  if (!Number.isInteger(people)) return undefined
  if (people < 0) return 'TIER_UNLIMITED'
  return people > 0 && people % 1_000 === 0 ? `TIER_${people / 1_000}K` : `TIER_${people}`
}

const numberKey = (number: string): string => matchKey(number.replaceAll(/\D/g, ''))
