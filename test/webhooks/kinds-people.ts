import { ada, at } from './ada.ts'
import type { Kind } from './kind.ts'

/** News of the system about Ada, who wrote once before: nothing waits to be read, and she did not write. */
function news(
  name: string,
  ids: Record<string, unknown>,
  identities: string[],
  body: string,
): Kind {
  return {
    name,
    after: ['text'],
    outcome: 'done',
    rows: {
      'contacts.contacts': [{ ...ada, ...ids, last_inbound_at: at(0) }],
      'contacts.identities': identities.map((match_key) => ({ match_key })),
      'conversations.conversations': [
        { unread: 1, last_text: body, last_message_at: at(5), window_until: at(0, 2) },
      ],
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
  news(
    'system-changed-user-id',
    { ...moved, user_id: 'DE.ada2' },
    [...allNumbers, 'DE.ada2', 'DE.ENT.ada2'],
    'Ada has a new user id',
  ),
  news('system-identity-changed', {}, ['491512000001', 'DE.ada1'], "Ada's security code changed"),
  {
    name: 'user-id-update',
    after: ['text'],
    outcome: 'done',
    rows: {
      'contacts.contacts': [{ ...ada, user_id: 'DE.ada2', last_inbound_at: at(0) }],
      'contacts.identities': ['491512000001', 'DE.ada1', 'DE.ada2', 'DE.ENT.a2'].map(
        (match_key) => ({ match_key }),
      ),
      'conversations.messages': [{ wamid: 'wamid.text' }],
    },
  },
  {
    name: 'person-without-a-number',
    outcome: 'done',
    rows: {
      'contacts.contacts': [{ ...ada, phone: '', wa_id: '' }],
      'conversations.conversations': [
        { unread: 1, last_text: 'No number here', window_until: at(7, 2) },
      ],
    },
  },
  {
    name: 'person-with-a-username',
    outcome: 'done',
    rows: {
      'contacts.contacts': [
        { ...ada, phone: '', wa_id: '', profile_name: 'Ada', username: 'ada.l' },
      ],
      'contacts.identities': [
        { kind: 'user_id', match_key: 'DE.ada1' },
        { kind: 'parent_user_id', match_key: 'DE.ENT.ada' },
      ],
    },
  },
  {
    name: 'contact-request-answered',
    after: ['person-without-a-number'],
    outcome: 'done',
    rows: {
      'contacts.contacts': [ada],
      'contacts.identities': [{ match_key: '491512000001' }, { match_key: 'DE.ada1' }],
      'conversations.conversations': [{ unread: 2, last_text: 'No number here' }],
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
      'contacts.identities i join contacts.contacts c using (account_id) where c.id = i.contact_id and merged_into is null':
        [{ match_key: '491512000001' }, { match_key: 'DE.ada1' }],
      'conversations.conversations where merged_into is null': [
        {
          unread: 3,
          last_text: 'That is both of me',
          last_message_at: at(8),
          window_until: at(8, 2),
        },
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
  {
    name: 'sender-that-cannot-be-read',
    outcome: 'no_match',
    rows: { 'contacts.contacts': [], 'conversations.messages': [] },
  },
]

/** What the ledger holds of Ada, under both of her ids. */
const said = (...words: [kind: string, via: string, minute: number][]) =>
  words.flatMap(([kind, via, minute]) =>
    ['number', 'user_id'].map((namespace) => ({ namespace, kind, via, said_at: at(minute) })),
  )

const consents: Kind[] = [
  {
    name: 'text-stop',
    outcome: 'done',
    rows: {
      'contacts.contacts': [{ ...ada, opted_out: true }],
      'contacts.consents': said(['opt_out', 'word', 1]),
    },
  },
  {
    name: 'template-button-stop',
    outcome: 'done',
    rows: {
      'contacts.contacts': [{ ...ada, opted_out: true }],
      'contacts.consents': said(['opt_out', 'button', 1]),
    },
  },
  {
    name: 'preference-stop',
    outcome: 'done',
    rows: {
      'contacts.contacts': [
        { phone: '491512000001', user_id: 'DE.ada1', opted_out: true, last_inbound_at: null },
      ],
      'contacts.consents': said(['opt_out', 'preference', 2]),
      'conversations.conversations': [],
    },
  },
  {
    name: 'preference-resume',
    after: ['preference-stop'],
    outcome: 'done',
    rows: {
      'contacts.contacts': [{ phone: '491512000001', opted_out: false, last_inbound_at: null }],
      'contacts.consents': said(['opt_out', 'preference', 2], ['opt_in', 'preference', 5]),
    },
  },
  {
    name: 'preference-signup',
    outcome: 'done',
    rows: {
      'contacts.contacts': [{ phone: '491512000001', opted_out: false, last_inbound_at: null }],
      'contacts.consents': said(['opt_in', 'preference', 2]).map((row) => ({
        ...row,
        evidence: 'sign-up 5001',
      })),
      'conversations.conversations': [],
    },
  },
]

/** How people are named and renamed, and what they say about being written to. */
export const peopleKinds: Kind[] = [...people, ...consents]
