import { type AccountEvent, matchKey, objectOf, textOf } from '@lockstep/whatsapp'
import { numberOf, wordsOf } from './account-words.ts'
import { maxPerSecond } from './connection.ts'
import type { Connection } from './db/entities.ts'
import { imposed, type Lifting, liftingOf, type Restriction } from './restrictions.ts'

/** Why a connection sends less than it should, or nothing at all. */
export interface Hold {
  health: 'restricted' | 'disabled'
  words: string
}

/**
 * `standing`: banned, deleted or offboarded; `review`: Meta has rejected the account or still looks at it; `access`: taken away from
 * us, until Meta accepts a token again.
 */
export type Holds = Partial<Record<'standing' | 'review' | 'access', Hold | null>>

/** What Meta's news can change, each ordered by its own times; `restriction` is when all were last known to be over. */
export type Fact =
  | keyof Holds
  | 'restriction'
  | 'quality'
  | 'messagingLimit'
  | 'throughput'
  | 'verifiedName'

type Facts = Pick<Connection, 'quality' | 'messagingLimit' | 'maxPerSecond' | 'verifiedName'>

/** One fact as an event changes it. */
export interface Change {
  fact: Exclude<Fact, 'restriction'>
  /** The number that it is about, as `numberKey` writes it; undefined when it is about every number of the WABA. */
  number?: string
  set?: Partial<Facts>
  hold?: Hold | null
}

/** Our clock and Meta's may differ: an event counts as older than the connection only when it is this much older. */
const clockMarginMs = 60_000

/** Whether news of a number are about this connection; news of none are about every number of the WABA. */
export function isAbout(
  { displayPhoneNumber }: Pick<Connection, 'displayPhoneNumber'>,
  number: string | undefined,
): boolean {
  return number === undefined || numberKey(displayPhoneNumber) === number
}

/** The time before which news of a fact are old. */
export function newsFrom(
  { newsAt, connectedAt }: Pick<Connection, 'newsAt' | 'connectedAt'>,
  fact: Fact,
): number {
  return newsAt[fact] ?? connectedAt.getTime() - clockMarginMs
}

/**
 * Applies one change that is about this connection. Webhooks come in any order and up to days late: a fact takes only news that
 * isn't older than its last, nor older than the connection, whose facts Meta was asked for when it was made.
 */
export function applyChange(
  connection: Connection,
  { fact, number, set, hold }: Change,
  at: Date,
): void {
  if (!isAbout(connection, number) || at.getTime() < newsFrom(connection, fact)) return
  connection.newsAt = { ...connection.newsAt, [fact]: at.getTime() }
  Object.assign(connection, set)
  if (hold !== undefined) connection.holds = { ...connection.holds, [fact]: hold }
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
export function keepHolds(
  connection: Connection,
  { wabaId, atMs }: { wabaId: string; atMs: number },
): void {
  const { holds, newsAt } = connection
  const since = connection.connectedAt.getTime() - clockMarginMs
  const isSame = connection.wabaId === wabaId
  connection.holds = isSame ? holds : {}
  const { standing = since, review = since, restriction = since } = newsAt
  connection.newsAt = isSame ? { standing, review, restriction } : {}
  regainAccess(connection, atMs)
}

/** What an event changes in the connections of its WABA (meta-cloud-api.md §2); nothing for most: those are only kept. */
export function changesOf(event: AccountEvent, metaAppId = ''): Change[] {
  switch (event.field) {
    case 'account_update':
      return ofNumber(event, standingChanges(event, metaAppId))
    case 'account_review_update':
      return ofNumber(event, reviewChanges(event))
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

/** Changes of the whole WABA, or only of the number that the event names. */
function ofNumber(event: AccountEvent, changes: Change[]): Change[] {
  const number = aboutNumber(event)
  return changes.map((change) => ({ ...change, ...(number !== undefined && { number }) }))
}

/** The number that an event names, as `numberKey` writes it. */
function aboutNumber({ value }: AccountEvent): string | undefined {
  const named = numberOf(value)
  return named && numberKey(named)
}

/** What lets a WABA send again ends every hold: if something still stands, Meta refuses and says so. */
const released: Change[] = [
  { fact: 'standing', hold: null },
  { fact: 'review', hold: null },
  { fact: 'access', hold: null },
]

const isRelease = ({ value }: AccountEvent) =>
  textOf(value.event) === 'ACCOUNT_RECONNECTED' ||
  (textOf(value.event) === 'DISABLED_UPDATE' && banState(value) === 'REINSTATE')

/** `metaAppId`: the app at Meta through which the account is connected. */
function standingChanges(event: AccountEvent, metaAppId: string): Change[] {
  const { value } = event
  const words = wordsOf(event)
  const standing = (health: Hold['health']): Change[] => [
    { fact: 'standing', hold: { health, words } },
  ]
  const isOurApp =
    metaAppId !== '' && textOf(objectOf(value.waba_info).partner_app_id) === metaAppId
  if (isRelease(event)) return released
  switch (textOf(value.event)) {
    case 'ACCOUNT_DELETED':
    case 'ACCOUNT_OFFBOARDED':
      return standing('disabled')
    case 'PARTNER_REMOVED':
      return [{ fact: 'access', hold: { health: 'disabled', words } }]
    case 'PARTNER_APP_UNINSTALLED':
      return isOurApp ? [{ fact: 'access', hold: { health: 'disabled', words } }] : []
    case 'PARTNER_APP_INSTALLED':
      return isOurApp ? [{ fact: 'access', hold: null }] : []
    case 'DISABLED_UPDATE':
      return (
        { DISABLE: standing('disabled'), SCHEDULE_FOR_DISABLE: standing('restricted') }[
          banState(value)
        ] ?? []
      )
    default:
      return []
  }
}

const banState = (value: AccountEvent['value']) =>
  textOf(objectOf(value.ban_info).waba_ban_state) ?? ''

/** Meta lets an account that it has rejected send nothing; one that it still looks at may send less. */
function reviewChanges(event: AccountEvent): Change[] {
  const words = wordsOf(event)
  switch (textOf(event.value.decision)) {
    case 'APPROVED':
      return [{ fact: 'review', hold: null }]
    case 'REJECTED':
      return [{ fact: 'review', hold: { health: 'disabled', words } }]
    case 'PENDING':
    case 'DEFERRED':
      return [{ fact: 'review', hold: { health: 'restricted', words } }]
    default:
      return []
  }
}

/** What an event says of restrictions, which stand in rows of their own. */
export interface RestrictionNews {
  number: string | undefined
  imposed: Restriction[]
  lifting: Lifting | 'all' | null
}

/** What an event says of restrictions; null when it says nothing of them. */
export function restrictionNewsOf(event: AccountEvent): RestrictionNews | null {
  if (event.field !== 'account_update') return null
  const number = aboutNumber(event)
  if (isRelease(event)) return { number, imposed: [], lifting: 'all' }
  if (textOf(event.value.event) !== 'ACCOUNT_RESTRICTION') return null
  return { number, imposed: imposed(event.value), lifting: liftingOf(event.value) }
}

function numberChanges(event: AccountEvent): Change[] {
  const displayed = textOf(event.value.display_phone_number)
  const word = textOf(event.value.event)
  const changes = limitChanges(event)
  if (!displayed) return changes
  const number = numberKey(displayed)
  if (word === 'THROUGHPUT_UPGRADE')
    changes.push({ fact: 'throughput', number, set: { maxPerSecond: maxPerSecond('HIGH') } })
  if (word === 'FLAGGED' || word === 'UNFLAGGED')
    changes.push({ fact: 'quality', number, set: { quality: word } })
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
