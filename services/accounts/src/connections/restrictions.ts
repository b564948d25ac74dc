import type { MessagingBan } from '@lockstep/contracts'
import { type AccountEvent, listOf, objectOf, textOf, timestampMsOf } from '@lockstep/whatsapp'

type Value = AccountEvent['value']

/**
 * The types that Meta documents (account_update), and what each means for the account or number
 * that has it.
 */
const types: Readonly<Record<string, { clause: string; forbids?: MessagingBan }>> = {
  RESTRICTED_BIZ_INITIATED_MESSAGING: {
    clause: 'it can only answer people who write to it',
    forbids: 'business_initiated',
  },
  RESTRICTED_CUSTOMER_INITIATED_MESSAGING: {
    clause: 'it cannot answer people who write to it',
    forbids: 'replies',
  },
  RESTRICTED_UTILITY_TEMPLATES: { clause: 'no utility template can be made for it' },
  RESTRICTED_DIRECT_SEND_UTILITY_TEMPLATES: {
    clause: 'utility messages cannot be sent by Direct Send',
  },
  RESTRICTED_ADD_PHONE_NUMBER_ACTION: { clause: 'no number can be added to it' },
  RESTRICTED_BUSINESS_INITIATED_CALLING: { clause: 'it cannot call people' },
  RESTRICTED_USER_INITIATED_CALLING: { clause: 'people cannot call it' },
  RESTRICTED_BIZ_INITIATED_AND_USER_INITIATED_CALLING: {
    clause: 'it can neither call people nor be called',
  },
  RESTRICTED_USER_INITIATED_CALLING_CALL_BUTTON_HIDDEN: {
    clause: 'people see no call button, because too many calls were not answered',
  },
}

const typeOf = (type: string) => (Object.hasOwn(types, type) ? types[type] : undefined)

export const restrictionTypes: readonly string[] = Object.keys(types)

/** Undefined for a restriction that does not touch messaging, and for a type that is not known. */
export const forbids = (type: string): MessagingBan | undefined => typeOf(type)?.forbids

/** Whether a restriction is about messages: of a type that is not known by its name. */
export const touchesMessaging = (type: string): boolean =>
  forbids(type) !== undefined || (typeOf(type) === undefined && type.includes('MESSAGING'))

/** What a restriction means and until when, as a clause. */
export function restrictionClause({
  type,
  endsAtMs,
}: Pick<Restriction, 'type' | 'endsAtMs'>): string {
  const clause = typeOf(type)?.clause ?? type
  return endsAtMs === null ? clause : `${clause}, until ${new Date(endsAtMs).toISOString()}`
}

/** A restriction as an event imposes it. */
export interface Restriction {
  /** As Meta names it: RESTRICTED_… */
  type: string
  /** When it ends by itself; null when it doesn't. */
  endsAtMs: number | null
  /** The violation that led to it, as Meta names it; empty when Meta does not say. */
  violation: string
  /** What Meta says to do about it; empty when it says nothing. */
  remediation: string
}

const maxNameLength = 128
const maxRemediationLength = 1_000
const cut = (text: string, length: number) => text.slice(0, length).toWellFormed()

/** The restrictions that an ACCOUNT_RESTRICTION imposes: none when it warns of one or lifts one. */
export function restrictionsOf(value: Value): Restriction[] {
  const { violation_type, remediation } = objectOf(value.violation_info)
  return listOf(value.restriction_info).flatMap((item) => {
    const one = objectOf(item)
    const type = textOf(one.restriction_type)
    if (!type) return []
    const remedy = textOf(one.remediation) ?? textOf(remediation) ?? ''
    const violation = cut(textOf(violation_type) ?? '', maxNameLength)
    return {
      type: cut(type, maxNameLength),
      endsAtMs: endOf(one.expiration),
      violation,
      remediation: cut(remedy, maxRemediationLength),
    }
  })
}

/** Meta writes an end in Unix seconds, and in some samples as an ISO text. */
function endOf(expiration: unknown): number | null {
  const text = textOf(expiration) ?? ''
  const iso = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN
  return timestampMsOf(expiration) ?? (Number.isNaN(iso) ? null : iso)
}

/** Endings of a violation's name that say that its restriction is over. */
const lifting = /_(UNBAN|RATE_LIMIT_RECOVERY|RECOVERY)$/
const stage = /_(WARN|RATE_LIMIT|STRIKE_\d+|OFFBOARD|UNBAN|RATE_LIMIT_RECOVERY|RECOVERY)$/

/** The types that a violation leads to, by its name without its stage. */
const typesOfViolation: Readonly<Record<string, string[]>> = {
  DIRECT_SEND_UTILITY_CATEGORY_ABUSE: ['RESTRICTED_DIRECT_SEND_UTILITY_TEMPLATES'],
  LOW_BUSINESS_INITIATED_CALLING_QUALITY: ['RESTRICTED_BUSINESS_INITIATED_CALLING'],
  LOW_USER_INITIATED_CALLING_QUALITY: ['RESTRICTED_USER_INITIATED_CALLING'],
  USER_INITIATED_CALLS_LOW_PICKUP_RATE: ['RESTRICTED_USER_INITIATED_CALLING_CALL_BUTTON_HIDDEN'],
}

/** What a violation is about, whatever stage it has come to. */
export const violationKind = (violation: string): string => violation.replace(stage, '')

/** A restriction that is over: of these types, or imposed for this kind of violation. */
export interface Lifting {
  types: string[]
  violation: string
}

/** What an ACCOUNT_RESTRICTION lifts, if it lifts anything. */
export function liftingOf(value: Value): Lifting | null {
  const violation = textOf(objectOf(value.violation_info).violation_type) ?? ''
  if (!lifting.test(violation) || restrictionsOf(value).length > 0) return null
  const kind = violationKind(violation)
  return {
    types: Object.hasOwn(typesOfViolation, kind) ? typesOfViolation[kind]! : [],
    violation: kind,
  }
}

/** An ACCOUNT_RESTRICTION for a person; `subject` is the account or number that it is about. */
export function restrictionSummary(value: Value, subject: string): string {
  const restrictions = restrictionsOf(value)
  const violation = textOf(objectOf(value.violation_info).violation_type) ?? ''
  const remedies = [
    ...new Set(restrictions.map(({ remediation }) => remediation)),
    textOf(objectOf(value.violation_info).remediation),
  ]
  const remedy = remedies.find(Boolean)
  const because = violation ? ` (${violation})` : ''
  const more = remedy ? ` ${remedy}` : ''
  if (restrictions.length > 0)
    return `Meta has restricted ${subject}${because}: ${restrictions.map(restrictionClause).join('; ')}.${more}`
  if (liftingOf(value)) return `Meta has lifted a restriction of ${subject}${because}.`
  if (violation) return `Meta warns that ${subject} may be restricted${because}.${more}`
  return `Meta speaks of a restriction of ${subject}, but does not say which. See it in WhatsApp Manager.`
}
