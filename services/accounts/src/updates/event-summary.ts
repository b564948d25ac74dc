import {
  type AccountEvent,
  classifyGraphError,
  eventError,
  objectOf,
  type StatusError,
  textOf,
} from '@lockstep/whatsapp'
import { restrictionSummary } from '../connections/restrictions.ts'

type Value = AccountEvent['value']

/** Meta's name of an event inside its field; empty when it has none. */
export function eventName(event: AccountEvent): string {
  const { value } = event
  const error = eventError(event)
  if (error) return `error ${error.code ?? 'without a code'}`
  const { alert_type } = alertOf(value)
  return (
    [value.event, value.decision, alert_type, value.type, value.status].map(textOf).find(Boolean) ??
    ''
  )
}

/**
 * What an event means, for a person: in Meta's own text where it sends any (meta-cloud-api.md §2).
 */
export function summaryOf(event: AccountEvent): string {
  const { field, value } = event
  const error = eventError(event)
  const known = Object.hasOwn(byField, field) ? byField[field]!(value) : undefined
  const summary =
    (error ? errorSummary(value, error) : known) ||
    [`Meta sent ${field}`, eventName(event)].filter(Boolean).join(': ')
  return summary.slice(0, 1_000).toWellFormed()
}

/** The number that a value names, as Meta writes it there. */
export const numberOf = (value: Value): string | undefined =>
  textOf(value.display_phone_number) || textOf(value.phone_number) || undefined

const number = (value: Value) => numberOf(value) ?? 'a number'

/** One number where the value names it, else the WABA. */
const subjectOf = (value: Value) => {
  const named = numberOf(value)
  return named ? `the number ${named}` : 'this WhatsApp Business account'
}

const byField: Record<string, (value: Value) => string | undefined> = {
  account_update: (value) => {
    const event = textOf(value.event) ?? ''
    return Object.hasOwn(byAccountEvent, event) ? byAccountEvent[event]!(value) : undefined
  },
  account_alerts: (value) => {
    const { alert_severity, alert_type, alert_description } = alertOf(value)
    return [alert_severity, alert_description ?? alert_type].map(textOf).filter(Boolean).join(': ')
  },
  account_review_update: (value) =>
    `Meta's review of this WhatsApp Business account: ${textOf(value.decision)}${reviewAdvice(value)}`,
  account_settings_update: () => 'Settings of a number were changed at Meta',
  phone_number_quality_update: (value) => {
    const limit = textOf(value.max_daily_conversations_per_business) ?? textOf(value.current_limit)
    return `${number(value)}: ${textOf(value.event)}${limit ? `, messaging limit ${limit}` : ''}`
  },
  phone_number_name_update: (value) => {
    const reason = textOf(value.rejection_reason)
    return `The name "${textOf(value.requested_verified_name)}" of ${number(value)}: ${textOf(value.decision)}${reason ? ` (${reason})` : ''}`
  },
  business_capability_update: (value) => {
    const limits = Object.entries(value).flatMap(([name, limit]) =>
      textOf(limit) ? [`${name} ${textOf(limit)}`] : [],
    )
    return `The limits of this business: ${limits.join(', ')}`
  },
  business_username_updates: (value) =>
    `The username ${textOf(value.username) ?? ''} of ${number(value)}: ${textOf(value.status)}`,
  security: (value) => {
    const requester = textOf(value.requester)
    return `Two-step verification of ${number(value)}: ${textOf(value.event)}${requester ? `, by ${requester}` : ''}`
  },
  payment_configuration_update: (value) =>
    `The payment configuration "${textOf(value.configuration_name)}": ${textOf(value.status)}`,
  partner_solutions: (value) =>
    `The partner solution ${textOf(value.solution_id)}: ${textOf(value.solution_status)}`,
}

const byAccountEvent: Record<string, (value: Value) => string> = {
  ACCOUNT_DELETED: () =>
    'This WhatsApp Business account was deleted at Meta. Its numbers can send nothing.',
  ACCOUNT_OFFBOARDED: () =>
    'This WhatsApp Business account was disconnected from the Cloud API. Reconnect it at Meta to send again.',
  ACCOUNT_RECONNECTED: () => 'This WhatsApp Business account was reconnected to the Cloud API.',
  ACCOUNT_RESTRICTION: (value) => restrictionSummary(value, subjectOf(value)),
  ACCOUNT_VIOLATION: (value) =>
    `Meta says that this WhatsApp Business account violates its policies: ${textOf(objectOf(value.violation_info).violation_type)}`,
  AD_ACCOUNT_LINKED: () => 'An ad account was linked to this WhatsApp Business account.',
  AUTH_INTL_PRICE_ELIGIBILITY_UPDATE: () =>
    'International prices for authentication messages were changed for this business.',
  BUSINESS_PRIMARY_LOCATION_COUNTRY_UPDATE: (value) =>
    `The country of this business is now ${textOf(value.country)}.`,
  DISABLED_UPDATE: (value) => banSummary(value),
  MM_LITE_TERMS_SIGNED: () => 'The terms of the Marketing Messages API were accepted.',
  PARTNER_ADDED: () => 'This WhatsApp Business account was shared with the partner.',
  PARTNER_APP_INSTALLED: () => "The partner's app was installed on this WhatsApp Business account.",
  PARTNER_APP_UNINSTALLED: () =>
    "The partner's app was removed from this WhatsApp Business account.",
  PARTNER_CLIENT_CERTIFICATION_STATUS_UPDATE: (value) =>
    `The certification of this client: ${textOf(objectOf(value.partner_client_certification_info).status)}`,
  PARTNER_REMOVED: (value) => {
    const { reason, initiated_by } = objectOf(value.disconnection_info)
    const why = [textOf(reason), textOf(initiated_by) && `by ${textOf(initiated_by)}`]
      .filter(Boolean)
      .join(', ')
    const named = numberOf(value)
    const because = why ? ` (${why})` : ''
    if (named)
      return `The number ${named} no longer gives the partner access${because}. Connect it anew to send again.`
    return `This WhatsApp Business account no longer gives the partner access${because}. Connect its numbers anew to send again.`
  },
  VERIFIED_ACCOUNT: () => 'This WhatsApp Business account was verified.',
  VOLUME_BASED_PRICING_TIER_UPDATE: (value) => {
    const { tier, pricing_category, region } = objectOf(value.volume_tier_info)
    return `A new volume tier for prices: ${[tier, pricing_category, region].map(textOf).filter(Boolean).join(', ')}`
  },
}

/** An error that belongs to no message, with what to do about it where that is known. */
function errorSummary({ metadata }: Value, { code, title, details }: StatusError): string {
  const number = textOf(objectOf(metadata).display_phone_number) ?? 'a number'
  const known = classifyGraphError(code)
  const advice = known.scope === 'connection' ? ` ${known.message}` : ''
  const text =
    [...new Set([title, details].map((text) => text.replace(/\.$/, '')).filter(Boolean))].join(
      ': ',
    ) || 'it does not say which'
  return `Meta reports an error of ${number}${code === null ? '' : ` (${code})`}: ${text}.${advice}`
}

function reviewAdvice({ decision }: Value): string {
  switch (textOf(decision)) {
    case 'REJECTED':
      return '. Its numbers can send nothing. Open Business Support at Meta to see why and to appeal.'
    case 'PENDING':
    case 'DEFERRED':
      return '. Until it is done Meta may not let its numbers send.'
    default:
      return ''
  }
}

function banSummary(value: Value): string {
  const { waba_ban_state, waba_ban_date } = objectOf(value.ban_info)
  const date = textOf(waba_ban_date)
  const since = date ? ` (${date})` : ''
  switch (textOf(waba_ban_state)) {
    case 'DISABLE':
      return `Meta has disabled this WhatsApp Business account${since}. Its numbers can send nothing until it is reinstated.`
    case 'SCHEDULE_FOR_DISABLE':
      return `Meta has scheduled this WhatsApp Business account to be disabled${since}.`
    case 'REINSTATE':
      return `Meta has reinstated this WhatsApp Business account${since}.`
    default:
      return `Meta has changed whether this WhatsApp Business account is disabled${since}.`
  }
}

/** Alerts stand in a node of their own, in newer webhooks in the value itself. */
const alertOf = (value: Value): Value => ({ ...value, ...objectOf(value.alert_info) })
