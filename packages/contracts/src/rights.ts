/** What a person or a program may be allowed to do; each route of the public API asks for one. */
export const rights = {
  'connections.read': 'look at apps, numbers, their health and what Meta said about them',
  'connections.write': 'register apps, connect and disconnect numbers, set limits and tokens',
  'templates.read': 'look at templates',
  'templates.write': 'fetch templates from Meta',
  'contacts.read': 'look at contacts, imports and the rules about them',
  'contacts.write': 'import and change contacts',
  'consent.write': 'record that a person has said stop or agreed again',
  'campaigns.read': 'look at campaigns and their recipients',
  'campaigns.write': 'draft campaigns',
  'campaigns.send': 'start, pause, resume and cancel campaigns',
  'conversations.read': 'read conversations',
  'events.read': 'follow what happens, of the things that one may look at',
  'webhooks.read': 'look at webhook endpoints and what became of deliveries to them',
  'webhooks.write': 'have events posted to addresses, of the things that one may look at',
  'settings.write': 'choose the rules of the account',
  'keys.read': 'look at API keys, never at their texts',
  'members.read': 'look at who belongs to the account, and as what',
  'members.write':
    'invite people, change what they may do and take them out, within the own rights',
  'audit.read': 'read who did what, when and from where',
  'dead-letters.read': 'look at work that failed three times, and why',
  'dead-letters.write': 'have such work tried again, or give it up',
  'keys.write': 'create, rotate and withdraw API keys, each with at most the own rights',
} as const satisfies Record<string, string>
export type Right = keyof typeof rights

/** Stands for every right, those of later versions too. */
export const everyRight = '*'

const names = Object.keys(rights) as Right[]
const reading = names.filter(
  (name) =>
    name.endsWith('.read') && !['keys.read', 'audit.read', 'dead-letters.read'].includes(name),
)

/** Sets of rights with a name; `owner` is who may do everything. */
export const roles = {
  owner: [everyRight],
  admin: names,
  marketer: [
    ...reading,
    'templates.write',
    'contacts.write',
    'consent.write',
    'campaigns.write',
    'campaigns.send',
  ],
  agent: ['contacts.read', 'consent.write', 'conversations.read', 'templates.read', 'events.read'],
  viewer: reading,
} as const satisfies Record<string, readonly (Right | typeof everyRight)[]>

/** Whether who has `held` may do what `wanted` names. */
export const mayDo = (held: readonly string[], wanted: Right | typeof everyRight): boolean =>
  held.includes(everyRight) || held.includes(wanted)
