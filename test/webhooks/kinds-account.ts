import type { Tenant, TestSystem } from '@lockstep/testing/system'
import type { Kind } from './kind.ts'

interface Said {
  /** Meta's word, and what it means for a person. */
  event: string
  words: string
  /** The connections as they are then; of every number of the WABA. */
  connections?: Record<string, unknown>[]
  field?: string
}

/** News that is kept once as an event of the account, and may change its connections. */
function accountKind(
  name: string,
  { event, words, connections, field = 'account_update' }: Said,
  more: Partial<Kind> = {},
): Kind {
  const at = more.after ? '{second}' : '{first}'
  const events = {
    [`accounts.account_events where occurred_at = '${at}'`]: [{ field, event, words }],
  }
  return {
    name,
    outcome: 'done',
    rows: { ...events, ...(connections && { 'accounts.connections': connections }) },
    ...more,
  }
}

/** News that may leave restrictions, and nothing else, in the connection. */
function restrictionKind(
  name: string,
  said: Said,
  restrictions: Record<string, unknown>[],
  more: Partial<Kind> = {},
): Kind {
  const kind = accountKind(name, { ...said, connections: [{ holds: {} }] }, more)
  return { ...kind, rows: { ...kind.rows, 'accounts.restrictions': restrictions } }
}

const standing = (health: string, words: string) => ({
  connections: [{ holds: { standing: { health, words } } }],
})
const access = (words: string) => ({
  connections: [{ holds: { access: { health: 'disabled', words } } }],
})
const released = { connections: [{ holds: { standing: null, review: null, access: null } }] }

const words = {
  deleted: 'This WhatsApp Business account was deleted at Meta. Its numbers can send nothing.',
  offboarded:
    'This WhatsApp Business account was disconnected from the Cloud API. Reconnect it at Meta to send again.',
  disabled:
    'Meta has disabled this WhatsApp Business account (January 1, 2099). Its numbers can send nothing until it is reinstated.',
  toBeDisabled:
    'Meta has scheduled this WhatsApp Business account to be disabled (January 3, 2099).',
  restricted:
    'Meta has restricted this WhatsApp Business account: it can only answer people who write to it, until 2099-01-03T00:00:00.000Z; ' +
    'no number can be added to it, until 2099-01-02T00:00:00.000Z.',
  directSend:
    'Meta has restricted this WhatsApp Business account (DIRECT_SEND_UTILITY_CATEGORY_ABUSE_STRIKE_1): ' +
    'utility messages cannot be sent by Direct Send, until 2099-01-02T00:00:00.000Z.',
  lifted:
    'Meta has lifted a restriction of this WhatsApp Business account (DIRECT_SEND_UTILITY_CATEGORY_ABUSE_UNBAN).',
  warned:
    'Meta warns that this WhatsApp Business account may be restricted (DIRECT_SEND_UTILITY_CATEGORY_ABUSE_WARN).',
  removed:
    'This WhatsApp Business account no longer gives the partner access (PRIMARY_INACTIVITY, by SYSTEM). ' +
    'Connect its numbers anew to send again.',
}

const updates: Kind[] = [
  accountKind('account-deleted', {
    event: 'ACCOUNT_DELETED',
    words: words.deleted,
    ...standing('disabled', words.deleted),
  }),
  accountKind('account-offboarded', {
    event: 'ACCOUNT_OFFBOARDED',
    words: words.offboarded,
    ...standing('disabled', words.offboarded),
  }),
  accountKind(
    'account-reconnected',
    {
      event: 'ACCOUNT_RECONNECTED',
      words: 'This WhatsApp Business account was reconnected to the Cloud API.',
      ...released,
    },
    { after: ['account-offboarded'] },
  ),
  accountKind('account-disabled', {
    event: 'DISABLED_UPDATE',
    words: words.disabled,
    ...standing('disabled', words.disabled),
  }),
  accountKind(
    'account-reinstated',
    {
      event: 'DISABLED_UPDATE',
      words: 'Meta has reinstated this WhatsApp Business account (January 2, 2099).',
      ...released,
    },
    { after: ['account-disabled', 'account-restricted'] },
  ),
  accountKind('account-to-be-disabled', {
    event: 'DISABLED_UPDATE',
    words: words.toBeDisabled,
    ...standing('restricted', words.toBeDisabled),
  }),
  restrictionKind('account-restricted', { event: 'ACCOUNT_RESTRICTION', words: words.restricted }, [
    {
      type: 'RESTRICTED_BIZ_INITIATED_MESSAGING',
      ends_at: '2099-01-03T00:00:00Z',
      lifted_at: null,
      event_at: '{first}',
    },
    {
      type: 'RESTRICTED_ADD_PHONE_NUMBER_ACTION',
      ends_at: '2099-01-02T00:00:00Z',
      lifted_at: null,
      event_at: '{first}',
    },
  ]),
  restrictionKind(
    'account-restriction-lifted',
    { event: 'ACCOUNT_RESTRICTION', words: words.lifted },
    [{ type: 'RESTRICTED_DIRECT_SEND_UTILITY_TEMPLATES', lifted_at: '{second}' }],
    { after: ['account-restricted-direct-send'] },
  ),
  restrictionKind(
    'account-restricted-direct-send',
    { event: 'ACCOUNT_RESTRICTION', words: words.directSend },
    [
      {
        type: 'RESTRICTED_DIRECT_SEND_UTILITY_TEMPLATES',
        violation: 'DIRECT_SEND_UTILITY_CATEGORY_ABUSE_STRIKE_1',
        lifted_at: null,
      },
    ],
  ),
  restrictionKind(
    'account-restriction-warned-of',
    { event: 'ACCOUNT_RESTRICTION', words: words.warned },
    [],
  ),
  accountKind('account-partner-removed', {
    event: 'PARTNER_REMOVED',
    words: words.removed,
    ...access(words.removed),
  }),
  ...Object.entries({
    'account-violation': [
      'ACCOUNT_VIOLATION',
      'Meta says that this WhatsApp Business account violates its policies: SCAM',
    ],
    'account-ad-account-linked': [
      'AD_ACCOUNT_LINKED',
      'An ad account was linked to this WhatsApp Business account.',
    ],
    'account-international-prices': [
      'AUTH_INTL_PRICE_ELIGIBILITY_UPDATE',
      'International prices for authentication messages were changed for this business.',
    ],
    'account-country': [
      'BUSINESS_PRIMARY_LOCATION_COUNTRY_UPDATE',
      'The country of this business is now DE.',
    ],
    'account-marketing-terms-signed': [
      'MM_LITE_TERMS_SIGNED',
      'The terms of the Marketing Messages API were accepted.',
    ],
    'account-partner-added': [
      'PARTNER_ADDED',
      'This WhatsApp Business account was shared with the partner.',
    ],
    'account-partner-app-installed': [
      'PARTNER_APP_INSTALLED',
      "The partner's app was installed on this WhatsApp Business account.",
    ],
    'account-partner-app-uninstalled': [
      'PARTNER_APP_UNINSTALLED',
      "The partner's app was removed from this WhatsApp Business account.",
    ],
    'account-partner-certification': [
      'PARTNER_CLIENT_CERTIFICATION_STATUS_UPDATE',
      'The certification of this client: APPROVED',
    ],
    'account-verified': ['VERIFIED_ACCOUNT', 'This WhatsApp Business account was verified.'],
    'account-volume-tier': [
      'VOLUME_BASED_PRICING_TIER_UPDATE',
      'A new volume tier for prices: 250001:750000, UTILITY, Germany',
    ],
    'account-event-that-is-new': ['SOMETHING_NEW', 'Meta sent account_update: SOMETHING_NEW'],
  } as const).map(([name, [event, said]]) =>
    accountKind(name, { event, words: said, connections: [{ holds: {} }] }),
  ),
]

/** A second number of the WABA, the one that the fixtures name: news about it changes nothing in the first. */
async function secondNumber({ simulator, clients }: TestSystem, tenant: Tenant): Promise<void> {
  const { wabaId, appId } = tenant
  const id = `${tenant.phoneNumberId}9`
  const number = {
    id,
    wabaId,
    token: `token-${id}`,
    displayPhoneNumber: '+1 555 010 0199',
    verifiedName: 'Shrub',
  }
  await simulator.client.setState({ numbers: [number] })
  await clients.accounts.createConnection(
    { name: 'Second', phoneNumberId: id, wabaId, appId, accessToken: number.token },
    tenant,
  )
}

const named = "accounts.connections where display_phone_number = '+1 555 010 0199'"
const other = "accounts.connections where display_phone_number <> '+1 555 010 0199'"

/** News about one of two numbers: columns of that one, and of the other as it was before. */
function numberKind(
  name: string,
  said: Said,
  row: Record<string, unknown>,
  others: Record<string, unknown>,
  more: Partial<Kind> = {},
) {
  const kind = accountKind(name, said, { given: secondNumber, ...more })
  return { ...kind, rows: { ...kind.rows, [named]: [row], [other]: [others] } }
}

const quality = 'phone_number_quality_update'
const name = 'phone_number_name_update'
const numbers: Kind[] = [
  numberKind(
    'number-limit',
    {
      field: quality,
      event: 'ONBOARDING',
      words: '15550100199: ONBOARDING, messaging limit TIER_10K',
    },
    { messaging_limit: 'TIER_10K', quality: 'GREEN', max_per_second: 80 },
    // The limit is the whole business's.
    { messaging_limit: 'TIER_10K', quality: 'GREEN' },
  ),
  numberKind(
    'number-limit-in-the-old-shape',
    { field: quality, event: 'UPGRADE', words: '15550100199: UPGRADE, messaging limit TIER_10K' },
    { messaging_limit: 'TIER_10K' },
    { messaging_limit: 'TIER_2K' },
  ),
  numberKind(
    'number-throughput-upgrade',
    {
      field: quality,
      event: 'THROUGHPUT_UPGRADE',
      words: '+1 555-010-0199: THROUGHPUT_UPGRADE, messaging limit TIER_UNLIMITED',
    },
    { messaging_limit: 'TIER_UNLIMITED', max_per_second: 1_000, per_second: 80, quality: 'GREEN' },
    { messaging_limit: 'TIER_UNLIMITED' },
  ),
  numberKind(
    'number-flagged',
    { field: quality, event: 'FLAGGED', words: '15550100199: FLAGGED, messaging limit TIER_1K' },
    { quality: 'FLAGGED', messaging_limit: 'TIER_1K' },
    { quality: 'GREEN', messaging_limit: 'TIER_2K' },
  ),
  numberKind(
    'number-unflagged',
    {
      field: quality,
      event: 'UNFLAGGED',
      words: '15550100199: UNFLAGGED, messaging limit TIER_1K',
    },
    { quality: 'UNFLAGGED' },
    { quality: 'GREEN' },
    { after: ['number-flagged'] },
  ),
  numberKind(
    'number-name-approved',
    { field: name, event: 'APPROVED', words: 'The name "Lucky Shrub" of 15550100199: APPROVED' },
    { verified_name: 'Lucky Shrub' },
    { news_at: {} },
  ),
  numberKind(
    'number-name-rejected',
    {
      field: name,
      event: 'REJECTED',
      words: 'The name "Best Shrub" of 15550100199: REJECTED (NAME_NOT_CONSISTENT)',
    },
    { verified_name: 'Shrub' },
    { news_at: {} },
  ),
]

const capability = (name: string, limit: string, limits: string): Kind =>
  accountKind(name, {
    field: 'business_capability_update',
    event: '',
    words: `The limits of this business: ${limits}`,
    connections: [{ messaging_limit: limit }],
  })

const others: Kind[] = [
  accountKind('account-review', {
    field: 'account_review_update',
    event: 'APPROVED',
    words: "Meta's review of this WhatsApp Business account: APPROVED",
    connections: [{ holds: { review: null } }],
  }),
  capability(
    'business-capability',
    'TIER_100K',
    'max_daily_conversations_per_business TIER_100K, max_phone_numbers_per_business 20, max_phone_numbers_per_waba 20',
  ),
  capability(
    'business-capability-as-numbers',
    'TIER_UNLIMITED',
    'max_daily_conversation_per_phone -1, max_phone_numbers_per_business 20',
  ),
  capability(
    'business-capability-as-an-older-number',
    'TIER_2K',
    'max_daily_conversations_per_business 2000, max_daily_conversation_per_phone 250',
  ),
  ...Object.entries({
    'account-alert': [
      'account_alerts',
      'INCREASED_CAPABILITIES_ELIGIBILITY_DEFERRED',
      'WARNING: More messages are needed before the limit can rise.',
    ],
    'account-alert-in-the-flat-shape': [
      'account_alerts',
      'OBA_APPROVED',
      'INFORMATIONAL: The official business account was granted.',
    ],
    'account-settings': [
      'account_settings_update',
      'phone_number_settings',
      'Settings of a number were changed at Meta',
    ],
    'business-username': [
      'business_username_updates',
      'approved',
      'The username lucky_shrub of 15550100199: approved',
    ],
    'security-pin-changed': [
      'security',
      'PIN_CHANGED',
      'Two-step verification of 15550100199: PIN_CHANGED, by 7700112233',
    ],
    'payment-configuration': [
      'payment_configuration_update',
      'Needs_Testing',
      'The payment configuration "main": Needs_Testing',
    ],
    'partner-solution': [
      'partner_solutions',
      'SOLUTION_CREATED',
      'The partner solution 6600112233: INITIATED',
    ],
  } as const).map(([name, [field, event, words]]) =>
    accountKind(name, { field, event, words, connections: [{ news_at: {} }] }),
  ),
]

/** Kinds of the fields about a WABA, its numbers and its business. */
export const accountKinds: Kind[] = [...updates, ...numbers, ...others]
