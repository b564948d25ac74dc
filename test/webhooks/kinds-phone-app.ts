import { ada, at } from './ada.ts'
import type { Kind } from './kind.ts'

/** Calls, and what the business does in the WhatsApp app on its phone stand in the thread; of these, only a call and what is heard in standby open a window. */
export const phoneAppKinds: Kind[] = [
  {
    name: 'echo-of-the-phone-app',
    after: ['text'],
    outcome: 'done',
    rows: {
      'contacts.contacts': [{ ...ada, last_inbound_at: at(0) }],
      'conversations.conversations': [
        { unread: 1, last_text: 'Sent by hand', last_message_at: at(1), window_until: at(0, 2) },
      ],
      'conversations.messages': [
        {
          wamid: 'wamid.text',
          direction: 'in',
          source: 'cloud_api',
          text: 'Is the blue one still there?',
        },
        { wamid: 'wamid.echo', direction: 'out', source: 'phone_app', text: 'Sent by hand' },
      ],
    },
  },
  {
    name: 'call-of-a-person',
    outcome: 'done',
    rows: {
      'contacts.contacts': [{ phone: ada.phone, last_inbound_at: at(0) }],
      'conversations.conversations': [
        { unread: 1, last_text: '[call]', last_message_at: at(0), window_until: at(0, 2) },
      ],
      'conversations.messages': [
        {
          wamid: 'wacid.1',
          direction: 'in',
          source: 'cloud_api',
          type: 'call',
          content: { connect_at: '2026-01-01T10:00:00.000Z' },
        },
      ],
    },
  },
  {
    name: 'history-of-the-phone-app',
    outcome: 'done',
    rows: {
      'contacts.contacts': [{ phone: ada.phone, last_inbound_at: null }],
      'conversations.conversations': [{ unread: 0, last_text: 'From before', window_until: null }],
      'conversations.messages': [
        {
          wamid: 'wamid.old',
          direction: 'in',
          source: 'history',
          text: 'From before',
          at: '2025-01-01T10:00:00Z',
        },
      ],
    },
  },
  {
    name: 'contacts-of-the-phone-app',
    outcome: 'done',
    rows: {
      'contacts.contacts': [
        { name: 'Ada', profile_name: '', phone: ada.phone, last_inbound_at: null },
      ],
      'conversations.conversations': [],
    },
  },
  {
    name: 'standby',
    outcome: 'done',
    rows: {
      'contacts.contacts': [{ phone: ada.phone, last_inbound_at: at(0) }],
      'conversations.conversations': [
        { unread: 0, last_text: 'For another app', window_until: at(0, 2) },
      ],
      'conversations.messages': [{ wamid: 'wamid.standby', direction: 'in', source: 'standby' }],
    },
  },
]
