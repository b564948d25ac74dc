import {
  type AccountEvent,
  matchKey,
  metaClockMarginMs,
  objectOf,
  textOf,
} from '@lockstep/whatsapp'
import type { ConnectionFacts, Fact, HealthIssue, HealthIssues } from '../connections/facts.ts'
import { maxPerSecond } from '../connections/limits.ts'
import {
  type Lifting,
  liftingOf,
  type Restriction,
  restrictionsOf,
} from '../connections/restrictions.ts'
import { numberOf, summaryOf } from './event-summary.ts'

/** One fact as an event changes it. */
export type ConnectionUpdate = About & (IssueUpdate | ValueUpdate)

interface About {
  /** As `numberKey` writes it; undefined when every number of the WABA is meant. */
  number?: string
}
interface IssueUpdate {
  fact: keyof HealthIssues
  issue: HealthIssue | null
}
interface ValueUpdate {
  fact: Exclude<Fact, keyof HealthIssues | 'restriction'>
  values: Partial<
    Pick<ConnectionFacts, 'quality' | 'messagingLimit' | 'maxPerSecond' | 'verifiedName'>
  >
}

/**
 * Whether an update of a number is about this connection; one of no number is about every number of
 * the WABA.
 */
export function isAbout(
  { displayPhoneNumber }: Pick<ConnectionFacts, 'displayPhoneNumber'>,
  number: string | undefined,
): boolean {
  return number === undefined || numberKey(displayPhoneNumber) === number
}

/** The time before which an update of a fact is too old. */
export function oldestUpdateMs(
  { factTimes, connectedAt }: Pick<ConnectionFacts, 'factTimes' | 'connectedAt'>,
  fact: Fact,
): number {
  return factTimes[fact] ?? connectedAt.getTime() - metaClockMarginMs
}

/**
 * Webhooks come in any order and days late: a fact takes no update that is older than its last, or
 * than the connection.
 */
export function applyUpdate(connection: ConnectionFacts, update: ConnectionUpdate, at: Date): void {
  const { fact, number } = update
  if (!isAbout(connection, number) || at.getTime() < oldestUpdateMs(connection, fact)) return
  connection.factTimes = { ...connection.factTimes, [fact]: at.getTime() }
  if ('issue' in update)
    connection.healthIssues = { ...connection.healthIssues, [fact]: update.issue }
  else Object.assign(connection, update.values)
}

/** Meta accepts a token of the connection: whatever took the access away came before. */
export function restoreAccess(
  connection: Pick<ConnectionFacts, 'healthIssues' | 'factTimes'>,
  atMs: number,
): void {
  connection.healthIssues = { ...connection.healthIssues, access: null }
  connection.factTimes = { ...connection.factTimes, access: atMs }
}

/**
 * What stays when a number is connected again: what stands against its WABA, unless it has another
 * one now. Its other facts were read anew.
 */
export function keepIssuesOfWaba(
  connection: ConnectionFacts,
  { wabaId, atMs }: { wabaId: string; atMs: number },
): void {
  const { healthIssues, factTimes } = connection
  const since = connection.connectedAt.getTime() - metaClockMarginMs
  const isSame = connection.wabaId === wabaId
  connection.healthIssues = isSame ? healthIssues : {}
  const { standing = since, review = since, restriction = since } = factTimes
  connection.factTimes = isSame ? { standing, review, restriction } : {}
  restoreAccess(connection, atMs)
}

/**
 * What an event changes in the connections of its WABA (meta-cloud-api.md §2); nothing for most.
 */
export function connectionUpdates(event: AccountEvent, metaAppId = ''): ConnectionUpdate[] {
  switch (event.field) {
    case 'account_update':
      return ofNumber(event, standingUpdates(event, metaAppId))
    case 'account_review_update':
      return ofNumber(event, reviewUpdates(event))
    case 'phone_number_quality_update':
      return qualityUpdates(event)
    case 'phone_number_name_update':
      return nameUpdates(event)
    case 'business_capability_update':
      return limitUpdates(event)
    default:
      return []
  }
}

/** Updates of the whole WABA, or only of the number that the event names. */
function ofNumber(event: AccountEvent, updates: ConnectionUpdate[]): ConnectionUpdate[] {
  const number = namedNumber(event)
  return updates.map((update) => ({ ...update, ...(number !== undefined && { number }) }))
}

/** The number that an event names, as `numberKey` writes it. */
function namedNumber({ value }: AccountEvent): string | undefined {
  const named = numberOf(value)
  return named && numberKey(named)
}

/**
 * What lets a WABA send again ends every issue: if something still stands, Meta refuses and says
 * so.
 */
const reinstated: ConnectionUpdate[] = [
  { fact: 'standing', issue: null },
  { fact: 'review', issue: null },
  { fact: 'access', issue: null },
]

const isReinstatement = ({ value }: AccountEvent) =>
  textOf(value.event) === 'ACCOUNT_RECONNECTED' ||
  (textOf(value.event) === 'DISABLED_UPDATE' && banState(value) === 'REINSTATE')

/** `metaAppId`: the app at Meta through which the account is connected. */
function standingUpdates(event: AccountEvent, metaAppId: string): ConnectionUpdate[] {
  const { value } = event
  const reason = summaryOf(event)
  const update = (fact: keyof HealthIssues, health: HealthIssue['health']): ConnectionUpdate[] => [
    { fact, issue: { health, reason } },
  ]
  const isOurApp =
    metaAppId !== '' && textOf(objectOf(value.waba_info).partner_app_id) === metaAppId
  if (isReinstatement(event)) return reinstated
  switch (textOf(value.event)) {
    case 'ACCOUNT_DELETED':
    case 'ACCOUNT_OFFBOARDED':
      return update('standing', 'disabled')
    case 'PARTNER_REMOVED':
      return update('access', 'disabled')
    case 'PARTNER_APP_UNINSTALLED':
      return isOurApp ? update('access', 'disabled') : []
    case 'PARTNER_APP_INSTALLED':
      return isOurApp ? [{ fact: 'access', issue: null }] : []
    case 'DISABLED_UPDATE':
      if (banState(value) === 'DISABLE') return update('standing', 'disabled')
      return banState(value) === 'SCHEDULE_FOR_DISABLE' ? update('standing', 'restricted') : []
    default:
      return []
  }
}

const banState = (value: AccountEvent['value']) =>
  textOf(objectOf(value.ban_info).waba_ban_state) ?? ''

/**
 * Meta lets an account that it has rejected send nothing; one that it still looks at may send less.
 */
function reviewUpdates(event: AccountEvent): ConnectionUpdate[] {
  const reason = summaryOf(event)
  switch (textOf(event.value.decision)) {
    case 'APPROVED':
      return [{ fact: 'review', issue: null }]
    case 'REJECTED':
      return [{ fact: 'review', issue: { health: 'disabled', reason } }]
    case 'PENDING':
    case 'DEFERRED':
      return [{ fact: 'review', issue: { health: 'restricted', reason } }]
    default:
      return []
  }
}

/** What an event says of restrictions, which stand in rows of their own. */
export interface RestrictionUpdate {
  number: string | undefined
  imposes: Restriction[]
  lifts: Lifting | 'all' | null
}

/** What an event says of restrictions; null when it says nothing of them. */
export function restrictionUpdate(event: AccountEvent): RestrictionUpdate | null {
  if (event.field !== 'account_update') return null
  const number = namedNumber(event)
  if (isReinstatement(event)) return { number, imposes: [], lifts: 'all' }
  if (textOf(event.value.event) !== 'ACCOUNT_RESTRICTION') return null
  return { number, imposes: restrictionsOf(event.value), lifts: liftingOf(event.value) }
}

function qualityUpdates(event: AccountEvent): ConnectionUpdate[] {
  const displayed = textOf(event.value.display_phone_number)
  const word = textOf(event.value.event)
  const updates = limitUpdates(event)
  if (!displayed) return updates
  const number = numberKey(displayed)
  if (word === 'THROUGHPUT_UPGRADE')
    updates.push({ fact: 'throughput', number, values: { maxPerSecond: maxPerSecond('HIGH') } })
  if (word === 'FLAGGED' || word === 'UNFLAGGED')
    updates.push({ fact: 'quality', number, values: { quality: word } })
  return updates
}

function nameUpdates({ value }: AccountEvent): ConnectionUpdate[] {
  const displayed = textOf(value.display_phone_number)
  const verifiedName = textOf(value.requested_verified_name)
  if (!displayed || !verifiedName || textOf(value.decision) !== 'APPROVED') return []
  return [{ fact: 'verifiedName', number: numberKey(displayed), values: { verifiedName } }]
}

/**
 * The business's limit concerns all its numbers; one number's own (until February 2026) only that
 * number.
 */
function limitUpdates({ value }: AccountEvent): ConnectionUpdate[] {
  const ofBusiness = tierOf(value.max_daily_conversations_per_business)
  const ofOneNumber = tierOf(value.current_limit ?? value.max_daily_conversation_per_phone)
  const messagingLimit = ofBusiness ?? ofOneNumber
  if (messagingLimit === undefined) return []
  const displayed = textOf(value.display_phone_number)
  const number = ofBusiness === undefined && displayed ? numberKey(displayed) : undefined
  const update = { fact: 'messagingLimit' as const, values: { messagingLimit } }
  return [{ ...update, ...(number !== undefined && { number }) }]
}

/**
 * A limit as Meta names it, also where it is written as a number (-1: unlimited; both forms are
 * seen).
 */
function tierOf(limit: unknown): string | undefined {
  const text = textOf(limit)
  if (text === undefined || text.startsWith('TIER_')) return text
  const people = Number(text)
  if (!Number.isInteger(people)) return undefined
  if (people < 0) return 'TIER_UNLIMITED'
  return people > 0 && people % 1_000 === 0 ? `TIER_${people / 1_000}K` : `TIER_${people}`
}

const numberKey = (number: string): string => matchKey(number.replaceAll(/\D/g, ''))
