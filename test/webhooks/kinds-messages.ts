import { ada, at } from './ada.ts'
import type { Kind } from './kind.ts'

const sha256 = 'q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA='
const asked = { context_wamid: 'wamid.asked-by-us' }

/** A message that Ada sends as her first one: it is stored, waits to be read and, unless said otherwise, opens the window. */
function message(
  name: string,
  columns: Record<string, unknown>,
  conversation: Record<string, unknown> = {},
): Kind {
  return {
    name,
    outcome: 'done',
    rows: {
      'contacts.contacts': [{ ...ada, last_inbound_at: at(1) }],
      'conversations.conversations': [
        {
          unread: 1,
          last_text: columns.text,
          window_until: at(1, 2),
          last_message_at: at(1),
          ...conversation,
        },
      ],
      'conversations.messages': [
        { wamid: `wamid.${name}`, direction: 'in', at: at(1), ...columns },
      ],
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
      'conversations.conversations': [
        { unread: 1, last_text: 'Is the blue one still there?', window_until: at(0, 2) },
      ],
      'conversations.messages': [
        {
          wamid: 'wamid.text',
          direction: 'in',
          type: 'text',
          text: 'Is the blue one still there?',
          at: at(0),
        },
      ],
    },
  },
  message('image', {
    type: 'image',
    text: 'This one',
    media: { id: '2001', mimeType: 'image/jpeg', sha256, caption: 'This one' },
  }),
  message('video', {
    type: 'video',
    text: 'Watch this',
    media: { id: '2002', mimeType: 'video/mp4', sha256, caption: 'Watch this' },
  }),
  message('document', {
    type: 'document',
    text: 'invoice.pdf\nThe invoice',
    media: {
      id: '2003',
      mimeType: 'application/pdf',
      sha256,
      caption: 'The invoice',
      filename: 'invoice.pdf',
    },
  }),
  message('audio', {
    type: 'audio',
    text: '[audio]',
    media: { id: '2004', mimeType: 'audio/mpeg', sha256, voice: false },
  }),
  message('voice-recording', {
    type: 'audio',
    text: '[voice message]',
    media: { id: '2005', mimeType: 'audio/ogg; codecs=opus', sha256, voice: true },
  }),
  message('voice-of-old-payloads', {
    type: 'voice',
    text: '[voice message]',
    media: { id: '2006', mimeType: 'audio/ogg', sha256 },
  }),
  message('sticker', {
    type: 'sticker',
    text: '[sticker]',
    media: { id: '2007', mimeType: 'image/webp', sha256, animated: true },
  }),
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
    content: {
      kind: 'nfm_reply',
      id: 'flow',
      title: 'Sent',
      data: { flow_token: 't-1', rating: '4' },
    },
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
      product_items: [
        { product_retailer_id: 'lamp', quantity: 2, item_price: 19.5, currency: 'EUR' },
      ],
    },
  }),
  message('reply', {
    type: 'text',
    text: 'Yes, that one',
    context_wamid: 'wamid.text',
    forwarded: false,
  }),
  message('forwarded', {
    type: 'text',
    text: 'Look at this',
    forwarded: true,
    frequently_forwarded: false,
  }),
  message('frequently-forwarded', {
    type: 'text',
    text: 'Everybody look',
    forwarded: true,
    frequently_forwarded: true,
  }),
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
  message('interactive-without-its-node', {
    type: 'interactive',
    text: '[interactive]',
    content: null,
    ...asked,
  }),
  message(
    'unsupported',
    { type: 'unsupported', text: '[unsupported message: poll_creation]' },
    { window_until: null },
  ),
  message(
    'unsupported-unavailable',
    { type: 'unsupported', text: '[unsupported message]' },
    { window_until: null },
  ),
  message(
    'unsupported-old-error',
    { type: 'unsupported', text: '[unsupported message]' },
    { window_until: null },
  ),
  message('unknown', { type: 'unknown', text: '[unknown]' }, { window_until: null }),
  message('type-of-tomorrow', { type: 'hologram', text: '[hologram]' }, { window_until: null }),
  {
    ...message('request-welcome', {}),
    rows: {
      'contacts.contacts': [{ ...ada, last_inbound_at: null }],
      'conversations.conversations': [
        { unread: 0, last_text: '[request_welcome]', window_until: null },
      ],
      'conversations.messages': [{ wamid: 'wamid.request-welcome', type: 'request_welcome' }],
    },
  },
]

const text = {
  wamid: 'wamid.text',
  text: 'Is the blue one still there?',
  edited_at: null,
  original_text: null,
  revoked_at: null,
}
/** What Ada does to her text leaves it the one message that waits to be read. */
const oneUnread = { unread: 1, last_text: text.text, last_message_at: at(0) }

/** Ada's reaction to her text, and who else reacted before. */
function reaction(name: string, after: string[], emoji: string, minute: number): Kind {
  const rows = [...after, name].map((each) => ({
    wamid: `wamid.${each}`,
    target_wamid: each === 'text' ? null : 'wamid.text',
  }))
  return {
    name,
    after,
    outcome: 'done',
    rows: {
      'conversations.conversations': [{ ...oneUnread, window_until: at(minute, 2) }],
      'conversations.messages': rows,
      'conversations.reactions': [
        { target_wamid: 'wamid.text', emoji, at: at(minute), wamid: `wamid.${name}` },
      ],
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
      'conversations.conversations': [
        { ...oneUnread, last_text: 'Is the red one still there?', window_until: at(0, 2) },
      ],
      "conversations.messages where type = 'text'": [
        {
          ...text,
          text: 'Is the red one still there?',
          edited_at: at(3),
          original_text: text.text,
        },
      ],
      "conversations.messages where type = 'edit'": [
        {
          wamid: 'wamid.edit-of-a-text',
          target_wamid: 'wamid.text',
          text: 'Is the red one still there?',
          at: at(3),
        },
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
      "conversations.messages where type = 'text'": [
        { ...text, text: 'Is any still there?', edited_at: at(4), original_text: text.text },
      ],
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
      'conversations.conversations': [
        { ...oneUnread, last_text: '[message deleted]', window_until: at(0, 2) },
      ],
      "conversations.messages where type = 'text'": [{ ...text, revoked_at: at(6) }],
      "conversations.messages where type = 'revoke'": [
        { wamid: 'wamid.revoke', target_wamid: 'wamid.text' },
      ],
    },
  },
  {
    name: 'revoke-of-an-edited-text',
    after: ['text', 'edit-of-a-text'],
    outcome: 'done',
    rows: {
      'conversations.conversations': [{ ...oneUnread, last_text: '[message deleted]' }],
      "conversations.messages where type = 'text'": [
        {
          ...text,
          text: 'Is the red one still there?',
          edited_at: at(3),
          original_text: text.text,
          revoked_at: at(6),
        },
      ],
    },
  },
  {
    name: 'revoke-of-nothing-stored',
    outcome: 'done',
    rows: {
      'conversations.conversations': [
        { unread: 0, last_text: '[message deleted]', window_until: null },
      ],
      'conversations.messages': [
        {
          wamid: 'wamid.revoke-of-nothing-stored',
          target_wamid: 'wamid.never-seen',
          revoked_at: null,
        },
      ],
    },
  },
]

/** What is said in a group is neither Ada's own chat nor her window; her stop counts. */
const group = { group_id: 'Y2FwaV9ncm91cDox', contact_id: null }
const inGroups: Kind[] = [
  {
    name: 'group-text-stop',
    outcome: 'done',
    rows: {
      'contacts.contacts': [{ ...ada, last_inbound_at: null, opted_out: true }],
      'conversations.conversations': [
        { ...group, unread: 1, last_text: 'STOP', window_until: at(1, 2) },
      ],
      '(select m.*, contact_id = (select id from contacts.contacts c where c.account_id = m.account_id) as is_adas from conversations.messages m) m':
        [{ wamid: 'wamid.group-text-stop', group_id: group.group_id, is_adas: true }],
    },
  },
  {
    name: 'group-reaction',
    after: ['group-text-stop'],
    outcome: 'done',
    rows: {
      'contacts.contacts': [{ ...ada, last_inbound_at: null }],
      'conversations.conversations': [
        { ...group, unread: 1, last_text: 'STOP', window_until: at(2, 2) },
      ],
      'conversations.reactions': [
        { target_wamid: 'wamid.group-text-stop', emoji: '👍', wamid: 'wamid.group-reaction' },
      ],
    },
  },
]

/** Inbound messages of every type, in groups too, and what people do to messages. */
export const messageKinds: Kind[] = [...withMessages, ...aboutMessages, ...inGroups]
