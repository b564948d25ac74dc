import type { Tenant, TestStack } from '../stack.ts'
import type { Kind } from './kinds.ts'

/** Fixtures are of the morning of 2026-01-01, from 10:00 on. */
const at = (minute: number, day = 1) => `2026-01-0${day}T10:${String(minute).padStart(2, '0')}:00Z`

const ada = { name: 'Ada', phone: '491512000001', wa_id: '491512000001', user_id: 'DE.ada1' }
const sha256 = 'q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA='
const asked = { context_wamid: 'wamid.asked-by-us' }

/** A message that Ada sends as her first one: it is stored, waits to be read and, unless said otherwise, opens the window. */
function message(name: string, columns: Record<string, unknown>, conversation: Record<string, unknown> = {}): Kind {
  return {
    name,
    outcome: 'done',
    rows: {
      'contacts.contacts': [{ ...ada, last_inbound_at: at(1) }],
      'conversations.conversations': [
        { unread: 1, last_text: columns.text, window_until: at(1, 2), last_message_at: at(1), ...conversation },
      ],
      'conversations.messages': [{ wamid: `wamid.${name}`, direction: 'in', at: at(1), ...columns }],
    },
  }
}

const withMessages: Kind[] = [
  {
    name: 'text',
    outcome: 'done',
    rows: {
      'contacts.contacts': [{ ...ada, source: 'webhook', last_inbound_at: at(0) }],
      'contacts.identities': [{ match_key: '491512000001' }, { match_key: 'DE.ada1' }],
      'conversations.conversations': [{ unread: 1, last_text: 'Is the blue one still there?', window_until: at(0, 2) }],
      'conversations.messages': [{ wamid: 'wamid.text', direction: 'in', type: 'text', text: 'Is the blue one still there?', at: at(0) }],
    },
  },
  message('image', { type: 'image', text: 'This one', media: { id: '2001', mimeType: 'image/jpeg', sha256, caption: 'This one' } }),
  message('video', { type: 'video', text: 'Watch this', media: { id: '2002', mimeType: 'video/mp4', sha256, caption: 'Watch this' } }),
  message('document', {
    type: 'document',
    text: 'invoice.pdf\nThe invoice',
    media: { id: '2003', mimeType: 'application/pdf', sha256, caption: 'The invoice', filename: 'invoice.pdf' },
  }),
  message('audio', { type: 'audio', text: '[audio]', media: { id: '2004', mimeType: 'audio/mpeg', sha256, voice: false } }),
  message('voice-recording', {
    type: 'audio',
    text: '[voice message]',
    media: { id: '2005', mimeType: 'audio/ogg; codecs=opus', sha256, voice: true },
  }),
  message('voice-of-old-payloads', { type: 'voice', text: '[voice message]', media: { id: '2006', mimeType: 'audio/ogg', sha256 } }),
  message('sticker', { type: 'sticker', text: '[sticker]', media: { id: '2007', mimeType: 'image/webp', sha256, animated: true } }),
  message('location', {
    type: 'location',
    text: 'Minster\nUlm',
    content: { latitude: 48.4011, longitude: 9.9876, name: 'Minster', address: 'Ulm' },
  }),
  message('contacts', {
    type: 'contacts',
    text: '[contact: Grace]',
    content: [
      {
        name: { formatted_name: 'Grace', first_name: 'Grace' },
        phones: [{ phone: '+49 151 2000002', wa_id: '491512000002', type: 'CELL' }],
      },
    ],
  }),
  message('button-reply', {
    type: 'interactive',
    text: 'Yes, please',
    content: { kind: 'button_reply', id: 'yes', title: 'Yes, please' },
    ...asked,
  }),
  message('list-reply', {
    type: 'interactive',
    text: 'Tuesday\nfrom 9 to 12',
    content: { kind: 'list_reply', id: 'row-2', title: 'Tuesday' },
    ...asked,
  }),
  message('flow-reply', {
    type: 'interactive',
    text: 'Sent',
    content: { kind: 'nfm_reply', id: 'flow', title: 'Sent', data: { flow_token: 't-1', rating: '4' } },
    ...asked,
  }),
  message('flow-reply-without-an-object', {
    type: 'interactive',
    text: 'Sent',
    content: { kind: 'nfm_reply', id: 'flow', title: 'Sent', data: 'not json' },
    ...asked,
  }),
  message('call-permission-given', {
    type: 'interactive',
    text: '[call permission: accept]',
    content: {
      kind: 'call_permission_reply',
      id: 'accept',
      title: '',
      data: { expiration_timestamp: 1_767_866_400, response_source: 'user_action' },
    },
    ...asked,
  }),
  message('template-button', {
    type: 'button',
    text: 'Track it',
    content: { kind: 'button', id: 'order-17', title: 'Track it' },
    ...asked,
  }),
  message('order', {
    type: 'order',
    text: 'As last time',
    content: {
      catalog_id: '3001',
      text: 'As last time',
      product_items: [{ product_retailer_id: 'lamp', quantity: 2, item_price: 19.5, currency: 'EUR' }],
    },
  }),
  message('reply', { type: 'text', text: 'Yes, that one', context_wamid: 'wamid.text', forwarded: false }),
  message('forwarded', { type: 'text', text: 'Look at this', forwarded: true, frequently_forwarded: false }),
  message('frequently-forwarded', { type: 'text', text: 'Everybody look', forwarded: true, frequently_forwarded: true }),
  message('question-about-a-product', {
    type: 'text',
    text: 'In stock?',
    context_wamid: 'wamid.catalog',
    referred_product: { catalog_id: '3001', product_retailer_id: 'lamp' },
  }),
  message('referral', {
    type: 'text',
    text: 'I saw your ad',
    referral: {
      source_url: 'https://ads.example/1',
      source_id: '4001',
      source_type: 'ad',
      headline: 'Lamps',
      body: 'All of them',
      media_type: 'image',
      image_url: 'https://ads.example/1.jpg',
      ctwa_clid: 'clid-1',
    },
  }),
  // Meta opens the window by it, but what stood in the reply is lost.
  message('interactive-without-its-node', { type: 'interactive', text: '[interactive]', content: null, ...asked }),
  message('unsupported', { type: 'unsupported', text: '[unsupported message: poll_creation]' }, { window_until: null }),
  message('unsupported-unavailable', { type: 'unsupported', text: '[unsupported message]' }, { window_until: null }),
  message('unsupported-old-error', { type: 'unsupported', text: '[unsupported message]' }, { window_until: null }),
  message('unknown', { type: 'unknown', text: '[unknown]' }, { window_until: null }),
  message('type-of-tomorrow', { type: 'hologram', text: '[hologram]' }, { window_until: null }),
  {
    ...message('request-welcome', {}),
    rows: {
      'contacts.contacts': [{ ...ada, last_inbound_at: null }],
      'conversations.conversations': [{ unread: 0, last_text: '[request_welcome]', window_until: null }],
      'conversations.messages': [{ wamid: 'wamid.request-welcome', type: 'request_welcome' }],
    },
  },
]

const text = { wamid: 'wamid.text', text: 'Is the blue one still there?', edited_at: null, original_text: null, revoked_at: null }
/** What Ada does to her text leaves it the one message that waits to be read. */
const oneUnread = { unread: 1, last_text: text.text, last_message_at: at(0) }

/** Ada's reaction to her text, and who else reacted before. */
function reaction(name: string, after: string[], emoji: string, minute: number): Kind {
  const rows = [...after, name].map((each) => ({ wamid: `wamid.${each}`, target_wamid: each === 'text' ? null : 'wamid.text' }))
  return {
    name,
    after,
    outcome: 'done',
    rows: {
      'conversations.conversations': [{ ...oneUnread, window_until: at(minute, 2) }],
      'conversations.messages': rows,
      'conversations.reactions': [{ target_wamid: 'wamid.text', emoji, at: at(minute), wamid: `wamid.${name}` }],
      'contacts.contacts': [{ ...ada, last_inbound_at: at(minute) }],
    },
  }
}

const aboutMessages: Kind[] = [
  reaction('reaction', ['text'], '👍', 2),
  reaction('reaction-changed', ['text', 'reaction'], '❤️', 3),
  reaction('reaction-removed', ['text', 'reaction', 'reaction-changed'], '', 4),
  reaction('reaction-removed-by-empty-emoji', ['text', 'reaction'], '', 4),
  {
    name: 'reaction-to-a-campaign',
    outcome: 'done',
    rows: {
      'conversations.conversations': [{ unread: 0, last_text: '🎉', window_until: at(1, 2) }],
      'conversations.reactions': [{ target_wamid: 'wamid.from-a-campaign', emoji: '🎉' }],
    },
  },
  {
    name: 'edit-of-a-text',
    after: ['text'],
    outcome: 'done',
    rows: {
      'conversations.conversations': [{ ...oneUnread, last_text: 'Is the red one still there?', window_until: at(0, 2) }],
      "conversations.messages where type = 'text'": [
        { ...text, text: 'Is the red one still there?', edited_at: at(3), original_text: text.text },
      ],
      "conversations.messages where type = 'edit'": [
        { wamid: 'wamid.edit-of-a-text', target_wamid: 'wamid.text', text: 'Is the red one still there?', at: at(3) },
      ],
      'contacts.contacts': [{ ...ada, last_inbound_at: at(0) }],
    },
  },
  {
    name: 'edit-made-twice',
    after: ['text', 'edit-of-a-text'],
    outcome: 'done',
    rows: {
      'conversations.conversations': [{ ...oneUnread, last_text: 'Is any still there?' }],
      "conversations.messages where type = 'text'": [{ ...text, text: 'Is any still there?', edited_at: at(4), original_text: text.text }],
      "conversations.messages where type = 'edit'": [
        { text: 'Is the red one still there?', at: at(3) },
        { text: 'Is any still there?', at: at(4) },
      ],
    },
  },
  {
    name: 'edit-of-a-caption',
    after: ['image'],
    outcome: 'done',
    rows: {
      "conversations.messages where type = 'image'": [
        {
          text: 'That one',
          original_text: 'This one',
          edited_at: at(3),
          media: { id: '2001', mimeType: 'image/jpeg', sha256, caption: 'That one' },
        },
      ],
    },
  },
  {
    name: 'revoke',
    after: ['text'],
    outcome: 'done',
    rows: {
      'conversations.conversations': [{ ...oneUnread, last_text: '[message deleted]', window_until: at(0, 2) }],
      "conversations.messages where type = 'text'": [{ ...text, revoked_at: at(6) }],
      "conversations.messages where type = 'revoke'": [{ wamid: 'wamid.revoke', target_wamid: 'wamid.text' }],
    },
  },
  {
    name: 'revoke-of-an-edited-text',
    after: ['text', 'edit-of-a-text'],
    outcome: 'done',
    rows: {
      'conversations.conversations': [{ ...oneUnread, last_text: '[message deleted]' }],
      "conversations.messages where type = 'text'": [
        { ...text, text: 'Is the red one still there?', edited_at: at(3), original_text: text.text, revoked_at: at(6) },
      ],
    },
  },
  {
    name: 'revoke-of-nothing-stored',
    outcome: 'done',
    rows: {
      'conversations.conversations': [{ unread: 0, last_text: '[message deleted]', window_until: null }],
      'conversations.messages': [{ wamid: 'wamid.revoke-of-nothing-stored', target_wamid: 'wamid.never-seen', revoked_at: null }],
    },
  },
]

/** News of the system about Ada, who wrote once before: nothing waits to be read, and she did not write. */
function news(name: string, ids: Record<string, unknown>, identities: string[], body: string): Kind {
  return {
    name,
    after: ['text'],
    outcome: 'done',
    rows: {
      'contacts.contacts': [{ ...ada, ...ids, last_inbound_at: at(0) }],
      'contacts.identities': identities.map((match_key) => ({ match_key })),
      'conversations.conversations': [{ unread: 1, last_text: body, last_message_at: at(5), window_until: at(0, 2) }],
      'conversations.messages': [
        { wamid: 'wamid.text', type: 'text' },
        { wamid: `wamid.${name}`, type: 'system' },
      ],
    },
  }
}

const moved = { phone: '491512000009', wa_id: '491512000009' }
const changedNumber = 'Ada changed from 491512000001 to 491512000009'
const allNumbers = ['491512000001', '491512000009', 'DE.ada1']

const people: Kind[] = [
  news('system-changed-number', moved, allNumbers, changedNumber),
  news('system-changed-number-old-form', moved, allNumbers, changedNumber),
  news('system-changed-user-id', { ...moved, user_id: 'DE.ada2' }, [...allNumbers, 'DE.ada2'], 'Ada has a new user id'),
  news('system-identity-changed', {}, ['491512000001', 'DE.ada1'], "Ada's security code changed"),
  {
    name: 'user-id-update',
    after: ['text'],
    outcome: 'done',
    rows: {
      'contacts.contacts': [{ ...ada, user_id: 'DE.ada2', last_inbound_at: at(0) }],
      'contacts.identities': ['491512000001', 'DE.ada1', 'DE.ada2'].map((match_key) => ({ match_key })),
      'conversations.messages': [{ wamid: 'wamid.text' }],
    },
  },
  {
    name: 'person-without-a-number',
    outcome: 'done',
    rows: {
      'contacts.contacts': [{ ...ada, phone: '', wa_id: '' }],
      'conversations.conversations': [{ unread: 1, last_text: 'No number here', window_until: at(7, 2) }],
    },
  },
  {
    name: 'user-id-in-from',
    outcome: 'done',
    rows: {
      'contacts.contacts': [{ ...ada, phone: '', wa_id: '' }],
      'conversations.conversations': [{ unread: 1, last_text: 'My id is my name' }],
    },
  },
  {
    name: 'person-by-number-only',
    outcome: 'done',
    rows: {
      'contacts.contacts': [{ ...ada, user_id: '' }],
      'conversations.conversations': [{ unread: 1, last_text: 'A number' }],
    },
  },
  {
    // It names two contacts, if they came first: they are joined, and so are their conversations.
    name: 'person-by-both-ids',
    after: ['person-by-number-only', 'person-without-a-number'],
    outcome: 'done',
    rows: {
      'contacts.contacts where merged_into is null': [{ ...ada, last_inbound_at: at(8) }],
      'contacts.identities i join contacts.contacts c using (account_id) where c.id = i.contact_id and merged_into is null': [
        { match_key: '491512000001' },
        { match_key: 'DE.ada1' },
      ],
      'conversations.conversations where merged_into is null': [
        { unread: 3, last_text: 'That is both of me', last_message_at: at(8), window_until: at(8, 2) },
      ],
      'conversations.messages m join conversations.conversations c using (account_id) where c.id = m.conversation_id and merged_into is null':
        [{ text: 'A number' }, { text: 'No number here' }, { text: 'That is both of me' }],
    },
  },
  {
    name: 'two-people-in-one-body',
    outcome: 'done',
    rows: {
      'contacts.contacts': [
        { name: 'Ada', phone: '491512000001' },
        { name: 'Grace', phone: '491512000002' },
      ],
      'conversations.conversations': [
        { unread: 1, last_text: 'Hi' },
        { unread: 1, last_text: 'Ho' },
      ],
      'conversations.messages': [{ wamid: 'wamid.ada-says' }, { wamid: 'wamid.grace-says' }],
    },
  },
  { name: 'sender-that-cannot-be-read', outcome: 'unmatched', rows: { 'contacts.contacts': [], 'conversations.messages': [] } },
]

/** What the ledger holds of Ada, under both of her ids. */
const said = (...words: [kind: string, via: string, minute: number][]) =>
  words.flatMap(([kind, via, minute]) => ['number', 'user_id'].map((namespace) => ({ namespace, kind, via, said_at: at(minute) })))

const consents: Kind[] = [
  {
    name: 'text-stop',
    outcome: 'done',
    rows: { 'contacts.contacts': [{ ...ada, opted_out: true }], 'contacts.consents': said(['opt_out', 'word', 1]) },
  },
  {
    name: 'template-button-stop',
    outcome: 'done',
    rows: { 'contacts.contacts': [{ ...ada, opted_out: true }], 'contacts.consents': said(['opt_out', 'button', 1]) },
  },
  {
    name: 'preference-stop',
    outcome: 'done',
    rows: {
      'contacts.contacts': [{ phone: '491512000001', opted_out: true, last_inbound_at: null }],
      'contacts.consents': [{ namespace: 'number', kind: 'opt_out', via: 'preference', said_at: at(2) }],
      'conversations.conversations': [],
    },
  },
  {
    name: 'preference-resume',
    after: ['preference-stop'],
    outcome: 'done',
    rows: {
      'contacts.contacts': [{ phone: '491512000001', opted_out: false, last_inbound_at: null }],
      'contacts.consents': [
        { kind: 'opt_out', via: 'preference', said_at: at(2) },
        { kind: 'opt_in', via: 'preference', said_at: at(5) },
      ],
    },
  },
  // A sign-up for one link's messages takes no stop back.
  { name: 'preference-signup', outcome: 'kept', rows: { 'contacts.contacts': [], 'contacts.consents': [] } },
]

const unsaid = { sent_at: null, delivered_at: null, read_at: null, failed_at: null, code: null }

/** A status without a token, of a campaign's message: it is found by its wamid. */
function status(name: string, facts: Record<string, unknown>, more: Partial<Kind> & { rows?: Kind['rows'] } = {}): Kind {
  const rows = { 'campaigns.attempts': [{ wamid: `wamid.${name}`, ...unsaid, ...facts }], ...more.rows }
  return { name, given: (stack, tenant) => sentByCampaign(stack, tenant, `wamid.${name}`), outcome: 'done', ...more, rows }
}

const statuses: Kind[] = [
  status('status-sent', { sent_at: at(1) }),
  status('status-delivered', { delivered_at: at(1) }),
  status('status-read', { read_at: at(1) }),
  status('status-played', { read_at: at(1) }),
  status('status-failed', { failed_at: at(1), code: 131026 }),
  status('status-failed-old-error', { failed_at: at(1), code: 131026 }),
  status(
    'status-failed-stopped-marketing',
    { failed_at: at(1), code: 131050 },
    {
      rows: {
        'contacts.contacts': [{ phone: '491512000001', opted_out: true }],
        'contacts.consents': [{ kind: 'opt_out', via: 'error_131050', said_at: at(1) }],
      },
    },
  ),
  status('status-without-a-recipient', { delivered_at: at(1) }),
  // Of each fact the first participant's: one attempt has one row, however many people a group has.
  status('status-of-a-group', { delivered_at: '2026-01-01T10:00:30Z', read_at: at(2) }),
  status('status-of-tomorrow', {}, { outcome: 'kept' }),
  { name: 'status-of-a-stranger', outcome: 'unmatched', rows: { 'campaigns.attempts': [] } },
  { name: 'errors-of-a-number', outcome: 'kept', rows: { 'conversations.messages': [], 'contacts.contacts': [] } },
]

/** A campaign whose one message to Ada Meta has accepted. */
async function sentByCampaign({ world, importContacts }: TestStack, tenant: Tenant, wamid: string): Promise<void> {
  await importContacts(tenant, ['+491512000001'])
  await world.sql(
    `with c as (
      insert into campaigns.campaigns (id, account_id, name, connection_id, template_id, filter, values, state, created_at)
      values (gen_random_uuid(), $1, 'Spring', $2, gen_random_uuid(), '{}', '{}', 'sending', now()) returning id, account_id
    ), s as (
      insert into campaigns.campaign_statistics (campaign_id, account_id, recipients, accepted) select id, account_id, 1, 1 from c
    ), r as (
      insert into campaigns.recipients (account_id, campaign_id, contact_id, run_id, phone, user_id, values, state, attempt_id, attempts)
      select c.account_id, c.id, p.id, gen_random_uuid(), p.phone, '', '{}', 'accepted', 1, 1
      from c join contacts.contacts p using (account_id) returning id, account_id, campaign_id
    ), a as (
      insert into campaigns.attempts (account_id, campaign_id, recipient_id, number, outcome, fence, wamid, accepted_at)
      select account_id, campaign_id, id, 1, 'accepted', 1, $3, now() from r returning id, recipient_id
    ) select a.id from a`,
    [tenant.accountId, tenant.connectionId, wamid],
  )
  await world.sql(
    'update campaigns.recipients r set attempt_id = a.id from campaigns.attempts a where a.recipient_id = r.id and a.wamid = $1',
    [wamid],
  )
}

/** Kinds of the fields messages, user_preferences and user_id_update. */
export const messageKinds: Kind[] = [...withMessages, ...aboutMessages, ...people, ...consents, ...statuses]
