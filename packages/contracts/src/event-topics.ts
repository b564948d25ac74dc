import type { ServiceName } from '../gen/services.ts'
import type { Right } from './rights.ts'

export interface EventTopicRow {
  /** What somebody must be allowed to do to follow it. */
  right: Right
  /** The service whose rows its events tell of. */
  producer: ServiceName
  about: string
}

/** What can be followed of an account. */
export const eventTopics = {
  campaigns: {
    right: 'campaigns.read',
    producer: 'campaigns',
    about: 'states of campaigns and how far they are',
  },
  conversations: {
    right: 'conversations.read',
    producer: 'conversations',
    about: 'messages that have come in',
  },
  contacts: {
    right: 'contacts.read',
    producer: 'contacts',
    about: 'contacts that a person or a program created, changed, archived or had forgotten',
  },
  imports: { right: 'contacts.read', producer: 'contacts', about: 'how far imports are' },
  connections: {
    right: 'connections.read',
    producer: 'accounts',
    about: 'what numbers can do by Meta’s word',
  },
  templates: {
    right: 'templates.read',
    producer: 'templates',
    about: 'states of templates at Meta',
  },
  webhooks: {
    right: 'webhooks.read',
    producer: 'events',
    about: 'webhook endpoints that are given up',
  },
} as const satisfies Record<string, EventTopicRow>
export type EventTopic = keyof typeof eventTopics

export interface EventKindRow {
  topic: EventTopic
  /** What its subject is. */
  subject: string
  about: string
}

/** Everything that an event can tell. */
export const eventKinds = {
  'campaign.state': {
    topic: 'campaigns',
    subject: 'campaign',
    about: 'a campaign has come into another state',
  },
  'campaign.progress': {
    topic: 'campaigns',
    subject: 'campaign',
    about: 'the statistics of a campaign; of several changes within seconds the last',
  },
  'message.received': {
    topic: 'conversations',
    subject: 'connection',
    about: 'messages to a number, those that came together in one event',
  },
  'contact.changed': {
    topic: 'contacts',
    subject: 'contact',
    about: 'a contact was created, changed, archived or forgotten, or what it said was recorded',
  },
  'import.progress': {
    topic: 'imports',
    subject: 'import',
    about: 'how far an import is, every second at most, and its end',
  },
  'connection.health': {
    topic: 'connections',
    subject: 'connection',
    about: 'a number was connected or disconnected, or can do more or less by Meta’s word',
  },
  'connection.token': {
    topic: 'connections',
    subject: 'connection',
    about:
      'an access token ends in 14, 7, 3 or 1 days, has ended, is taken no longer by Meta, or is good again',
  },
  'template.status': {
    topic: 'templates',
    subject: 'template',
    about: 'a template is new, or Meta gave it another status',
  },
  'webhook.disabled': {
    topic: 'webhooks',
    subject: 'webhook endpoint',
    about: 'an endpoint has failed for days, or is gone: nothing is posted to it any more',
  },
} as const satisfies Record<string, EventKindRow>
export type EventKind = keyof typeof eventKinds
