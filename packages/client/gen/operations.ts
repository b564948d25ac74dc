// Written by `npm run catalogue` from the routes of the public API; do not edit.
import type { Upload } from '../src/upload.ts'

export interface App {
  id: string
  name: string
  meta_app_id: string
  created_at: string | null
  previous_secret_until: string | null
  callback_url: string | null
  webhook_verified_at: string | null
}

export interface Problem {
  /** Where it is explained: "/docs#" and the code. */
  type: string
  title: string
  status: number
  code: 'invalid' | 'unauthenticated' | 'forbidden' | 'not_found' | 'conflict' | 'precondition' | 'too_large' | 'throttled' | 'busy' | 'timeout' | 'internal'
  /** What is wrong, with what, and what to do. */
  detail: string
  /** Each field that is wrong, when the code is "invalid". */
  errors?: readonly ({
    in: 'path' | 'query' | 'body'
    field?: string
    detail: string
  })[]
  request_id: string
}

export interface Connection {
  id: string
  name: string
  phone_number_id: string
  waba_id: string
  app_id: string
  display_phone_number: string
  verified_name: string
  per_minute: number
  per_second: number
  quality: string
  health: string
  health_reason: string
  messaging_limit: string
  restrictions: readonly Restriction[]
  token_expires_at: string | null
  data_access_expires_at: string | null
  token_health: string
  token_checked_at: string | null
  warnings: readonly string[]
  connected_at: string | null
  disconnected_at: string | null
}

export interface Restriction {
  type: string
  forbids: string
  summary: string
  remediation: string
  ends_at: string | null
  noted_at: string | null
}

export interface AccountEvent {
  id: string
  waba_id: string
  field: string
  event: string
  summary: string
  value: unknown
  occurred_at: string | null
  received_at: string | null
}

export interface TemplateSync {
  id: string
  connection_id: string
  state: string
  seen: number
  removed: number
  failure: string
  started_at: string | null
  finished_at: string | null
}

export interface Template {
  id: string
  waba_id: string
  name: string
  language: string
  category: string
  status: string
  components: unknown
  parameter_format: string
  quality: string
  rejected_reason: string
  status_reason: string
  next_category: string
  next_category_at: string | null
  synced_at: string | null
}

export interface ContactSettings {
  default_country: string | null
  time_zone: string
}

export interface ContactAttribute {
  id: string
  name: string
  label: string
  type: string
  choices: readonly string[]
  is_indexing: boolean
  created_at: string | null
}

export interface ContactImport {
  id: string
  file_name: string
  default_country: string | null
  columns: readonly ({
    name: string
    taken_for: string
    note: string
  })[]
  state: string
  total_bytes: number
  done_bytes: number
  rows: number
  created: number
  updated: number
  duplicates: number
  rejected: number
  failure: string
  created_at: string | null
  finished_at: string | null
}

export interface CreatedContact {
  id: string
  name: string
  profile_name: string
  username: string
  phone: string
  wa_id: string
  user_id: string
  email: string
  language: string
  time_zone: string
  tags: readonly string[]
  attributes: Readonly<Record<string, string>>
  opted_out: boolean
  blocked: boolean
  source: string
  last_inbound_at: string | null
  archived_at: string | null
  created_at: string | null
  created: boolean
}

export interface Contact {
  id: string
  name: string
  profile_name: string
  username: string
  phone: string
  wa_id: string
  user_id: string
  email: string
  language: string
  time_zone: string
  tags: readonly string[]
  attributes: Readonly<Record<string, string>>
  opted_out: boolean
  blocked: boolean
  source: string
  last_inbound_at: string | null
  archived_at: string | null
  created_at: string | null
}

export interface ContactCount {
  count: number
  filter: ContactFilter
}

export interface ContactFilter {
  version: number
  everybody?: boolean
  where?: ContactCondition
}

export interface ContactCondition {
  and?: readonly ContactCondition[]
  or?: readonly ContactCondition[]
  not?: ContactCondition
  field?: string
  attribute?: string
  op?: string
  value?: unknown
}

export interface ConsentRules {
  utility_after_stop: boolean
}

export interface Campaign {
  id: string
  name: string
  connection_id: string
  template_id: string
  filter: {
    tags: readonly string[]
  }
  values: Readonly<Record<string, string>>
  state: string
  reason: string
  statistics: CampaignStatistics
  created_at: string | null
  started_at: string | null
  finished_at: string | null
}

export interface CampaignStatistics {
  recipients: number
  queued: number
  sending: number
  accepted: number
  sent: number
  delivered: number
  read: number
  failed: number
  rejected: number
  skipped: number
  unknown: number
}

export interface Recipient {
  id: string
  contact_id: string
  phone: string
  state: string
  reason: string
  wamid: string
  attempts: number
}

export interface Conversation {
  id: string
  connection_id: string
  contact_id: string | null
  group_id: string | null
  unread: number
  last_text: string
  last_message_at: string | null
  window_until: string | null
}

export interface Message {
  id: string
  wamid: string
  direction: string
  source: string
  type: string
  text: string
  at: string | null
  contact_id: string | null
  group_id: string | null
  context_wamid: string
  target_wamid: string | null
  edited_at: string | null
  original_text: string | null
  revoked_at: string | null
  media: Media | null
  content: unknown
  reactions: readonly ({
    emoji: string
    at: string | null
    contact_id: string | null
  })[]
  forwarded: boolean
  frequently_forwarded: boolean
  referral: unknown
  referred_product: unknown
}

export interface Media {
  id: string
  mime_type: string
  sha256: string
  caption: string
  filename: string
  voice: boolean
  animated: boolean
}

export interface Event {
  id: string
  topic: string
  kind: string
  subject_id: string
  body: unknown
  occurred_at: string | null
}

export interface WebhookEndpointWithSecret {
  endpoint: WebhookEndpoint
  secret: string | null
}

export interface WebhookEndpoint {
  id: string
  url: string
  description: string
  topics: readonly string[]
  enabled: boolean
  disabled_reason: string
  failing_since: string | null
  previous_secret_until: string | null
  created_at: string | null
}

export interface WebhookTest {
  delivered: boolean
  status: number
  error: string
  duration_ms: number
}

export interface WebhookDelivery {
  id: string
  endpoint_id: string
  kind: string
  subject_id: string
  state: string
  attempts: number
  status: number
  error: string
  next_attempt_at: string | null
  last_attempt_at: string | null
  created_at: string | null
}

export interface CreatedApiKey {
  api_key: ApiKey
  key: string | null
}

export interface ApiKey {
  id: string
  name: string
  rights: readonly string[]
  prefix: string
  created_at: string | null
  expires_at: string | null
  withdrawn_at: string | null
  last_used_at: string | null
}

export interface SignedIn {
  account_id: string
  person: Person
  session: Session
}

export interface Person {
  id: string
  email: string
  name: string
}

export interface Session {
  id: string
  created_at: string | null
  last_used_at: string | null
  ends_at: string | null
  origin: {
    address: string
    user_agent: string
  }
}

export interface SecondFactor {
  confirmed_at: string | null
  recovery_codes_left: number
}

export interface Invitation {
  id: string
  email: string
  role: string
  created_at: string | null
  expires_at: string | null
  accepted_at: string | null
  withdrawn_at: string | null
  mailed_at: string | null
  mail_error: string | null
}

export interface Member {
  id: string
  email: string
  name: string
  role: string
  rights: readonly string[]
  joined_at: string | null
  has_second_factor: boolean
}

export interface Role {
  id: string
  name: string
  rights: readonly string[]
  created_at: string | null
}

export interface AuditEntry {
  id: string
  at: string | null
  action: string
  actor_kind: string
  actor_id: string | null
  actor_name: string | null
  address: string | null
  request_id: string | null
  target_kind: string
  target_id: string | null
  before: unknown
  after: unknown
  outcome: string
}

export interface DeadLetter {
  id: string
  lane: string
  key: string
  kind: string
  reason: string
  attempts: number
  created_at: string | null
  dead_at: string | null
}

/** What each request takes and answers, by its name. */
export interface Operations {
  /** Registers a Meta app, with the secret that signs its webhooks and the token of its handshake. Asks for the right `connections.write`. When the response was lost: Send it again with the same Idempotency-Key. */
  createApp: {
    input: {
      body: {
        name: string
        meta_app_id: string
        secret: string
        verify_token: string
      }
    }
    output: App
  }
  /** Lists the registered Meta apps, oldest first; ?cursor= is the next_cursor of the page before. Asks for the right `connections.read`. */
  listApps: {
    input: {
      cursor?: string
      limit?: number
    }
    output: {
      apps: readonly App[]
      next_cursor: string | null
    }
  }
  /** Shows a registered Meta app. Asks for the right `connections.read`. */
  getApp: {
    input: {
      id: string
    }
    output: App
  }
  /** Changes an app's name or the verify token of its handshake; what is not named stays as it is. Asks for the right `connections.write`. When the response was lost: Look at GET /v1/apps/:id; choosing the same again does no harm. */
  updateApp: {
    input: {
      id: string
      body?: {
        name?: string
        verify_token?: string
      }
    }
    output: App
  }
  /** Has Meta ask callback_url with the app's verify token, and post its webhooks there; with replace in the place of another address. Connecting a number does it when it was not done. Asks for the right `connections.write`. When the response was lost: Asking again does no harm: send the request with a new key. */
  verifyWebhook: {
    input: {
      id: string
      body?: {
        replace?: boolean
      }
    }
    output: App
  }
  /** Replaces the secret of an app, once Meta takes the new one; webhooks signed with the one before are accepted for overlap_hours. Asks for the right `connections.write`. When the response was lost: Setting the same secret again changes nothing: send the request with a new key. */
  rotateAppSecret: {
    input: {
      id: string
      body: {
        secret: string
        overlap_hours?: number
      }
    }
    output: App
  }
  /** Connects a WhatsApp number: asks Meta for it with the access token. The name is Meta's when none is given. Asks for the right `connections.write`. When the response was lost: Send it again with the same Idempotency-Key. */
  createConnection: {
    input: {
      body: {
        name?: string
        phone_number_id: string
        waba_id: string
        app_id: string
        access_token: string
      }
    }
    output: Connection
  }
  /** Lists the connected numbers, oldest first; ?cursor= is the next_cursor of the page before. Asks for the right `connections.read`. */
  listConnections: {
    input: {
      cursor?: string
      limit?: number
    }
    output: {
      connections: readonly Connection[]
      next_cursor: string | null
    }
  }
  /** Connects the number of a customer who went through Meta's Embedded Signup: code is what the browser got, waba_id and phone_number_id stand in its session info. pin registers a number that is not registered yet. Asks for the right `connections.write`. When the response was lost: Send it again with the same Idempotency-Key. */
  signUpConnection: {
    input: {
      body: {
        name?: string
        app_id: string
        code: string
        waba_id: string
        phone_number_id: string
        pin?: string
      }
    }
    output: Connection
  }
  /** Shows a number: its health and why, its limits, and what to do something about. Asks for the right `connections.read`. */
  getConnection: {
    input: {
      id: string
    }
    output: Connection
  }
  /** Gives a number another name here; people see the name that Meta verified. Asks for the right `connections.write`. When the response was lost: Look at GET /v1/connections/:id; choosing the same again does no harm. */
  renameConnection: {
    input: {
      id: string
      body: {
        name: string
      }
    }
    output: Connection
  }
  /** Sets how many messages a number sends per minute and per second, within what Meta allows it. Asks for the right `connections.write`. When the response was lost: Look at GET /v1/connections; setting the same limits again does no harm. */
  setConnectionLimits: {
    input: {
      id: string
      body: {
        per_minute: number
        per_second: number
      }
    }
    output: Connection
  }
  /** Replaces a number's access token, once Meta lets the new one use the number. A campaign that was paused for the old one can be resumed. Asks for the right `connections.write`. When the response was lost: Setting the same token again does no harm: send the request with a new key. */
  replaceToken: {
    input: {
      id: string
      body: {
        access_token: string
      }
    }
    output: Connection
  }
  /** Disconnects a number: it sends and hears nothing. Connected again in this account it is the same connection, with all its history. Asks for the right `connections.write`. When the response was lost: Look at GET /v1/connections before you try again with a new key. */
  disconnect: {
    input: {
      id: string
    }
    output: Connection
  }
  /** Lists what Meta said about the numbers and their WABAs, last received first; ?waba_id= and ?field= narrow it. Asks for the right `connections.read`. */
  listAccountEvents: {
    input: {
      waba_id?: string
      field?: string
      cursor?: string
      limit?: number
    }
    output: {
      events: readonly AccountEvent[]
      next_cursor: string | null
    }
  }
  /** Starts a sync of the templates of a number's WhatsApp Business Account; one at a time. Asks for the right `templates.write`. When the response was lost: Send it again with a new key: a sync that is running refuses a second one. */
  startTemplateSync: {
    input: {
      id: string
    }
    output: TemplateSync
  }
  /** Shows how far a template sync is: queued, running, done or failed. Asks for the right `templates.read`. */
  getTemplateSync: {
    input: {
      id: string
    }
    output: TemplateSync
  }
  /** Lists templates in id order; ?connection_id= or ?waba_id= and ?status=APPROVED narrow it, ?cursor= is the next_cursor of the page before. Asks for the right `templates.read`. */
  listTemplates: {
    input: {
      connection_id?: string
      waba_id?: string
      status?: string
      cursor?: string
      limit?: number
    }
    output: {
      templates: readonly Template[]
      next_cursor: string | null
    }
  }
  /** Shows a template as Meta holds it. Asks for the right `templates.read`. */
  getTemplate: {
    input: {
      id: string
    }
    output: Template
  }
  /** Shows the country whose numbers imports may write without a country code, null when such numbers are refused, and the time zone by which days of filters begin. Asks for the right `contacts.read`. */
  getContactSettings: {
    input: {}
    output: ContactSettings
  }
  /** Chooses the country as which imports read numbers without a country code, by its two letters, and the time zone by which days of filters begin. null refuses such numbers; the time zone stays unless it is named. Asks for the right `settings.write`. When the response was lost: Look at GET /v1/contact-settings; choosing the same again does no harm. */
  setContactSettings: {
    input: {
      body: {
        default_country: string | null
        time_zone?: string
      }
    }
    output: ContactSettings
  }
  /** Gives attributes of a name a type: text, number, date (2026-12-24), boolean, or a choice of some. Values that are none of that type are refused from then on, and those that are there count as none. Asks for the right `settings.write`. When the response was lost: Send it again with the same Idempotency-Key. */
  createContactAttribute: {
    input: {
      body: {
        name: string
        label?: string
        type: 'text' | 'number' | 'date' | 'boolean' | 'choice'
        choices?: readonly string[]
      }
    }
    output: ContactAttribute
  }
  /** Lists the attributes of contacts that have a type, at most 200, by name. While one "is_indexing", contacts from before it may be missing in what is searched by it. Asks for the right `contacts.read`. */
  listContactAttributes: {
    input: {}
    output: {
      attributes: readonly ContactAttribute[]
    }
  }
  /** Changes the label or the choices of an attribute; its name and type stay. A choice that contacts have does not go. Asks for the right `settings.write`. When the response was lost: Doing it again does no harm: send the request with a new key. */
  updateContactAttribute: {
    input: {
      id: string
      body?: {
        label?: string
        choices?: readonly string[]
      }
    }
    output: ContactAttribute
  }
  /** Deletes an attribute that no contact has a value of. With ?keep_values=true it goes in any case, and values stay as texts without a type. Asks for the right `settings.write`. When the response was lost: Look at GET /v1/contact-attributes before you try again with a new key. */
  deleteContactAttribute: {
    input: {
      id: string
      keep_values?: 'true' | 'false'
    }
    output: {}
  }
  /** Imports contacts from the CSV file in the body (Content-Type: text/csv, ?file_name=). It runs on its own; ask how far it is. Numbers without a country code are read as those of ?default_country=, else of the account's; without one they are refused. Asks for the right `contacts.write`. When the response was lost: Send it again with a new key: contacts that are there already are not made twice. */
  createContactImport: {
    input: {
      file_name: string
      default_country?: string
      body: Upload
    }
    output: ContactImport
  }
  /** Shows how far an import is, and how many rows were created, updated, duplicates or rejected. Asks for the right `contacts.read`. */
  getContactImport: {
    input: {
      id: string
    }
    output: ContactImport
  }
  /** Lists the rows of an import that were rejected, each with its line and the reason. Asks for the right `contacts.read`. */
  listImportErrors: {
    input: {
      id: string
      cursor?: number
      limit?: number
    }
    output: {
      errors: readonly ({
        line: number
        reason: string
      })[]
      next_cursor: string | null
    }
  }
  /** Creates a contact for a phone number, written in any way. Where there is one with it, that one is completed and answered, with "created": false. Asks for the right `contacts.write`. When the response was lost: Send it again with the same Idempotency-Key. */
  createContact: {
    input: {
      body: {
        phone: string
        default_country?: string
        name?: string
        email?: string
        language?: string
        time_zone?: string
        tags?: readonly string[]
        attributes?: Readonly<Record<string, string | number | boolean>>
      }
    }
    output: CreatedContact
  }
  /** Lists contacts in id order; ?tag= or a ?filter= narrows it, ?cursor= is the next_cursor of the page before. Asks for the right `contacts.read`. */
  listContacts: {
    input: {
      tag?: string
      /** A ContactFilter as JSON, such as {"version": 1, "where": {"field": "tag", "op": "is", "value": "vip"}} */
      filter?: string
      cursor?: string
      limit?: number
    }
    output: {
      contacts: readonly Contact[]
      next_cursor: string | null
    }
  }
  /** Counts the contacts that a ?filter= means; everybody has to be said. Asks for the right `contacts.read`. */
  countContacts: {
    input: {
      /** A ContactFilter as JSON, such as {"version": 1, "where": {"field": "tag", "op": "is", "value": "vip"}} */
      filter: string
    }
    output: ContactCount
  }
  /** Shows a contact. Asks for the right `contacts.read`. */
  getContact: {
    input: {
      id: string
    }
    output: Contact
  }
  /** Changes what is named of a contact. "tags" stands for all tags, "add_tags" and "remove_tags" for some; an attribute that is null goes. An empty name is the one that they have given themselves. Asks for the right `contacts.write`. When the response was lost: Doing it again does no harm: send the request with a new key. */
  updateContact: {
    input: {
      id: string
      body?: {
        name?: string
        email?: string
        language?: string
        time_zone?: string
        tags?: readonly string[]
        add_tags?: readonly string[]
        remove_tags?: readonly string[]
        attributes?: Readonly<Record<string, string | number | boolean | null>>
      }
    }
    output: Contact
  }
  /** Takes a contact out of all lists and campaigns. What they said and what was written stays, and they come back when they write, or are imported or created again. Asks for the right `contacts.write`. When the response was lost: Look at GET /v1/contacts before you try again with a new key. */
  archiveContact: {
    input: {
      id: string
    }
    output: {}
  }
  /** Records that a person opted out or in, or is blocked or not, with the evidence for it. Asks for the right `consent.write`. When the response was lost: Send it again with the same Idempotency-Key. */
  recordConsent: {
    input: {
      id: string
      body: {
        kind: 'opt_out' | 'opt_in' | 'block' | 'unblock'
        evidence: string
      }
    }
    output: Contact
  }
  /** Forgets a person for good: names, numbers, messages, attributes and consents go, within minutes everywhere. What they refuse outlives them, should their number come again. Asks for the right `contacts.write`. When the response was lost: Look at GET /v1/contacts/:id before you try again with a new key. */
  forgetContact: {
    input: {
      id: string
    }
    output: {}
  }
  /** Shows whether UTILITY templates are sent to people who said stop. Asks for the right `contacts.read`. */
  getConsentRules: {
    input: {}
    output: ConsentRules
  }
  /** Chooses whether UTILITY templates are sent to people who said stop; without a choice they are not. Asks for the right `settings.write`. When the response was lost: Look at GET /v1/consent-rules; choosing the same again does no harm. */
  setConsentRules: {
    input: {
      body: {
        utility_after_stop: boolean
      }
    }
    output: ConsentRules
  }
  /** Drafts a campaign: a template, the values of its variables, and the tags of the contacts who get it. Asks for the right `campaigns.write`. When the response was lost: Send it again with the same Idempotency-Key. */
  createCampaign: {
    input: {
      body: {
        name: string
        connection_id: string
        template_name: string
        template_language: string
        filter: {
          tags: readonly string[]
        }
        values?: Readonly<Record<string, string>>
      }
    }
    output: Campaign
  }
  /** Lists campaigns with their statistics, newest first; ?state= narrows it, ?cursor= is the next_cursor of the page before. Asks for the right `campaigns.read`. */
  listCampaigns: {
    input: {
      state?: 'draft' | 'preparing' | 'sending' | 'paused' | 'completed' | 'cancelled' | 'failed'
      cursor?: string
      limit?: number
    }
    output: {
      campaigns: readonly Campaign[]
      next_cursor: string | null
    }
  }
  /** Shows a campaign: its state, why it is in it, and its statistics of this moment. Asks for the right `campaigns.read`. */
  getCampaign: {
    input: {
      id: string
    }
    output: Campaign
  }
  /** Changes what is named of a draft. "values" are all of them; "template_name" and "template_language" go together. Asks for the right `campaigns.write`. When the response was lost: Doing it again does no harm: send the request with a new key. */
  updateDraft: {
    input: {
      id: string
      body?: {
        name?: string
        connection_id?: string
        template_name?: string
        template_language?: string
        filter?: {
          tags: readonly string[]
        }
        values?: Readonly<Record<string, string>>
      }
    }
    output: Campaign
  }
  /** Deletes a draft and answers it as it was; a campaign that was started is cancelled instead. Asks for the right `campaigns.write`. When the response was lost: Look at GET /v1/campaigns/:id: a draft that is gone is not found. */
  deleteDraft: {
    input: {
      id: string
    }
    output: Campaign
  }
  /** Starts a draft: the audience is frozen, then the messages are sent. Asks for the right `campaigns.send`. When the response was lost: Look at GET /v1/campaigns/:id before you try again with a new key. */
  startCampaign: {
    input: {
      id: string
    }
    output: Campaign
  }
  /** Pauses a campaign that is sending; messages under way are finished. Asks for the right `campaigns.send`. When the response was lost: Look at GET /v1/campaigns/:id before you try again with a new key. */
  pauseCampaign: {
    input: {
      id: string
    }
    output: Campaign
  }
  /** Goes on with a paused campaign where it stopped. Asks for the right `campaigns.send`. When the response was lost: Look at GET /v1/campaigns/:id before you try again with a new key. */
  resumeCampaign: {
    input: {
      id: string
    }
    output: Campaign
  }
  /** Ends a campaign for good; those still queued are never written to. Asks for the right `campaigns.send`. When the response was lost: Look at GET /v1/campaigns/:id before you try again with a new key. */
  cancelCampaign: {
    input: {
      id: string
    }
    output: Campaign
  }
  /** Sends again to recipients whose message may or may not have gone out: those named in recipient_ids, or all that are older than 15 minutes. Asks for the right `campaigns.send`. When the response was lost: Look at GET /v1/campaigns/:id before you try again with a new key. */
  resendUnknown: {
    input: {
      id: string
      body?: {
        recipient_ids?: readonly string[]
      }
    }
    output: {
      queued: number
    }
  }
  /** Lists the recipients of a campaign in id order; ?state= narrows it, ?cursor= is the next_cursor of the page before. Asks for the right `campaigns.read`. */
  listRecipients: {
    input: {
      id: string
      state?: 'queued' | 'sending' | 'accepted' | 'sent' | 'delivered' | 'read' | 'failed' | 'rejected' | 'skipped' | 'unknown'
      cursor?: string
      limit?: number
    }
    output: {
      recipients: readonly Recipient[]
      next_cursor: string | null
    }
  }
  /** Lists the conversations, the one with the newest message first; ?cursor= is the next_cursor of the page before. Asks for the right `conversations.read`. */
  listConversations: {
    input: {
      cursor?: string
      limit?: number
    }
    output: {
      conversations: readonly Conversation[]
      next_cursor: string | null
    }
  }
  /** Lists the messages of a conversation, newest first, as edited; a deleted one has revoked_at. ?cursor= is the next_cursor of the page before. Asks for the right `conversations.read`. */
  listMessages: {
    input: {
      id: string
      cursor?: string
      limit?: number
    }
    output: {
      messages: readonly Message[]
      next_cursor: string | null
    }
  }
  /** Counts the messages that people sent to a number (?connection_id=) at or after a time (?since_ms=). Asks for the right `conversations.read`. */
  countInbound: {
    input: {
      connection_id: string
      since_ms?: number
    }
    output: {
      messages: number
    }
  }
  /** Lists what happened, oldest first, of ?topics= or of all that you may look at. To go on later, take the id of the last event as ?cursor=. With "Accept: text/event-stream" it tells what comes, as server-sent events. Asks for the right `events.read`. */
  listEvents: {
    input: {
      topics?: string
      cursor?: string
      limit?: number
    }
    output: {
      events: readonly Event[]
      next_cursor: string | null
    }
  }
  /** Has events of some topics posted to a URL, as Standard Webhooks, from the next one on. Its secret is in this response only. Asks for the right `webhooks.write`. When the response was lost: Look at GET /v1/webhook-endpoints: delete an endpoint whose secret nobody has, and create another. */
  createWebhookEndpoint: {
    input: {
      body: {
        url: string
        topics: readonly ('campaigns' | 'conversations' | 'contacts' | 'imports' | 'connections' | 'templates' | 'webhooks')[]
        description?: string
      }
    }
    output: WebhookEndpointWithSecret
  }
  /** Lists the webhook endpoints, at most 16, with why one fails or is disabled. Asks for the right `webhooks.read`. */
  listWebhookEndpoints: {
    input: {}
    output: {
      endpoints: readonly WebhookEndpoint[]
    }
  }
  /** Shows a webhook endpoint, never its secret. Asks for the right `webhooks.read`. */
  getWebhookEndpoint: {
    input: {
      id: string
    }
    output: WebhookEndpoint
  }
  /** Changes what is named of an endpoint. While it is not enabled, nothing is kept for it; replay what it has missed. Asks for the right `webhooks.write`. When the response was lost: Doing it again does no harm: send the request with a new key. */
  updateWebhookEndpoint: {
    input: {
      id: string
      body?: {
        url?: string
        topics?: readonly ('campaigns' | 'conversations' | 'contacts' | 'imports' | 'connections' | 'templates' | 'webhooks')[]
        description?: string
        enabled?: boolean
      }
    }
    output: WebhookEndpoint
  }
  /** Deletes an endpoint with its deliveries; nothing more is posted to it. Asks for the right `webhooks.write`. When the response was lost: Look at GET /v1/webhook-endpoints before you try again with a new key. */
  deleteWebhookEndpoint: {
    input: {
      id: string
    }
    output: {}
  }
  /** Enables an endpoint, and posts at once what was waiting for its next attempt. Asks for the right `webhooks.write`. When the response was lost: Doing it again does no harm: send the request with a new key. */
  enableWebhookEndpoint: {
    input: {
      id: string
    }
    output: WebhookEndpoint
  }
  /** Creates a new secret, told in this response only. For some hours posts are signed with the one before, too. Asks for the right `webhooks.write`. When the response was lost: Rotate it once more: the secret before stays good meanwhile. */
  rotateWebhookSecret: {
    input: {
      id: string
      body?: {
        overlap_hours?: number
      }
    }
    output: WebhookEndpointWithSecret
  }
  /** Posts the event "webhook.test" at once and once, and says what was answered. Asks for the right `webhooks.write`. When the response was lost: Doing it again does no harm: send the request with a new key. */
  testWebhookEndpoint: {
    input: {
      id: string
    }
    output: WebhookTest
  }
  /** Posts events again with the ids that they had: those since "from", the oldest 10,000 of them, or the deliveries that are named. Asks for the right `webhooks.write`. When the response was lost: Look at GET /v1/webhook-deliveries before you try again with a new key. */
  replayWebhooks: {
    input: {
      id: string
      body?: {
        from?: string
        delivery_ids?: readonly string[]
      }
    }
    output: {
      deliveries: number
    }
  }
  /** Lists what became of events at an endpoint (?endpoint_id=), the newest first; ?state=failed narrows it. Asks for the right `webhooks.read`. */
  listWebhookDeliveries: {
    input: {
      endpoint_id: string
      state?: 'pending' | 'delivered' | 'failed'
      cursor?: string
      limit?: number
    }
    output: {
      deliveries: readonly WebhookDelivery[]
      next_cursor: string | null
    }
  }
  /** Creates an API key with some of your own rights. Its text is in this response only; keep it safe. Asks for the right `keys.write`. When the response was lost: Look at GET /v1/api-keys: withdraw a key whose text nobody has, and create another. */
  createApiKey: {
    input: {
      body: {
        name: string
        rights: readonly ('*' | 'connections.read' | 'connections.write' | 'templates.read' | 'templates.write' | 'contacts.read' | 'contacts.write' | 'consent.write' | 'campaigns.read' | 'campaigns.write' | 'campaigns.send' | 'conversations.read' | 'events.read' | 'webhooks.read' | 'webhooks.write' | 'settings.write' | 'keys.read' | 'members.read' | 'members.write' | 'audit.read' | 'dead-letters.read' | 'dead-letters.write' | 'keys.write')[]
        expires_at?: string
      }
    }
    output: CreatedApiKey
  }
  /** Lists the API keys, oldest first, with what each may do and when it was last used. Asks for the right `keys.read`. */
  listApiKeys: {
    input: {
      cursor?: string
      limit?: number
    }
    output: {
      api_keys: readonly ApiKey[]
      next_cursor: string | null
    }
  }
  /** Creates a key with the name, rights and end of this one, which stays good for some hours. Asks for the right `keys.write`. When the response was lost: Look at GET /v1/api-keys: withdraw a key whose text nobody has, and create another. */
  rotateApiKey: {
    input: {
      id: string
      body?: {
        overlap_hours?: number
      }
    }
    output: CreatedApiKey
  }
  /** Ends a key: within a second it is refused everywhere. Withdrawing it again does no harm. Asks for the right `keys.write`. When the response was lost: Withdrawing it again does no harm: send the request with a new key. */
  withdrawApiKey: {
    input: {
      id: string
    }
    output: ApiKey
  }
  /** Signs a person in: the session is in a cookie of the response. Whoever was signed in with the browser before is signed out. Who has a second factor is answered 422 without its code. Anyone may ask. When the response was lost: Sign in again: a session that nobody has ends by itself. */
  signIn: {
    input: {
      body: {
        email: string
        password: string
        account_id?: string
        code?: string
      }
    }
    output: SignedIn
  }
  /** Signs out: ends the session that the request came with. Asks for a person who is signed in. When the response was lost: Signing out again does no harm. */
  signOut: {
    input: {}
    output: {
      ended: number
    }
  }
  /** The second step of who has a second factor and has signed in at the provider: the browser has come back from it with a cookie. Anyone may ask. When the response was lost: Sign in again: a session that nobody has ends by itself. */
  finishSignIn: {
    input: {
      body: {
        code: string
      }
    }
    output: SignedIn
  }
  /** Says who asks: a person with all accounts of theirs, or an API key; and what they may do in this account. Any API key and any person may ask. */
  getMe: {
    input: {}
    output: {
      account_id: string
      rights: readonly string[]
      api_key_id: string | null
      session_id: string | null
      person: Person | null
      accounts: readonly ({
        account_id: string
        name: string
        role: string
      })[]
    }
  }
  /** Lists your sessions in this account, newest first, with where each came from. Asks for a person who is signed in. */
  listSessions: {
    input: {}
    output: {
      sessions: readonly Session[]
    }
  }
  /** Ends all of your sessions in this account, this one too. Asks for a person who is signed in. When the response was lost: Sign in, and look at what is left. */
  endSessions: {
    input: {}
    output: {
      ended: number
    }
  }
  /** Ends one of your sessions: within a second it is refused everywhere. Asks for a person who is signed in. When the response was lost: Look at GET /v1/sessions: one that is not there is over. */
  endSession: {
    input: {
      id: string
    }
    output: {
      ended: number
    }
  }
  /** Changes your own password. All your other sessions end. Asks for a person who is signed in. When the response was lost: Sign in with the new password, and with the one before if it is refused. */
  changePassword: {
    input: {
      body: {
        password: string
        new_password: string
      }
    }
    output: Person
  }
  /** Says since when signing in asks you for a code, and how many recovery codes are left. Asks for a person who is signed in. */
  getSecondFactor: {
    input: {}
    output: SecondFactor
  }
  /** Makes the secret of a second factor for an authenticator app (TOTP), for who says their password. It is in this response only, and does nothing until a code confirms it. Asks for a person who is signed in. When the response was lost: Make another one: it takes the place of one that was not confirmed. */
  startSecondFactor: {
    input: {
      body: {
        password: string
      }
    }
    output: {
      secret: string | null
      uri: string | null
    }
  }
  /** From now on signing in asks you for a code too. All your other sessions end. The recovery codes are in this response only, and each is good once in place of a code. Asks for a person who is signed in. When the response was lost: Look at GET /v1/me/second-factor. Without your recovery codes disable it, and set it up again. */
  confirmSecondFactor: {
    input: {
      body: {
        code: string
      }
    }
    output: {
      recovery_codes: readonly string[] | null
    }
  }
  /** Signing in asks you for no code any more, for who says their password and a code. Asks for a person who is signed in. When the response was lost: Look at GET /v1/me/second-factor. */
  disableSecondFactor: {
    input: {
      body: {
        password: string
        code: string
      }
    }
    output: SecondFactor
  }
  /** Invites somebody to the account, with some of your own rights. The link is in this response only, and good once, for 7 days; where a mail server is configured it is mailed too. Asks for the right `members.write`. When the response was lost: Look at GET /v1/invitations before you try again with a new key. */
  createInvitation: {
    input: {
      body: {
        email: string
        role: string
      }
    }
    output: {
      invitation: Invitation
      link: string | null
    }
  }
  /** Lists who was invited, oldest first, and what became of it. Asks for the right `members.read`. */
  listInvitations: {
    input: {
      cursor?: string
      limit?: number
    }
    output: {
      invitations: readonly Invitation[]
      next_cursor: string | null
    }
  }
  /** Ends an invitation: its link is no good any more. Withdrawing it again does no harm. Asks for the right `members.write`. When the response was lost: Withdrawing it again does no harm: send the request with a new key. */
  withdrawInvitation: {
    input: {
      id: string
    }
    output: Invitation
  }
  /** Makes who has the link a member, and signs them in. A new person chooses a name and a password, one who is known says theirs, and the code of a second factor. Anyone may ask. When the response was lost: Sign in: the link is good once, and may have been used. */
  acceptInvitation: {
    input: {
      body: {
        token: string
        email?: string
        name?: string
        password: string
        code?: string
      }
    }
    output: SignedIn
  }
  /** Makes a link by which a member chooses another password; they must belong to this account only. It is in this response only, and good once, for a day; where a mail server is configured it is mailed too. Asks for the right `members.write`. When the response was lost: Make another one: a link that nobody has ends by itself. */
  createPasswordReset: {
    input: {
      id: string
    }
    output: {
      link: string | null
      expires_at: string | null
    }
  }
  /** Mails a link to another password to who forgot theirs. The answer is the same for an e-mail that is nobody’s. Anyone may ask. When the response was lost: Ask again: a link that nobody has ends by itself. */
  requestPasswordReset: {
    input: {
      body: {
        email: string
      }
    }
    output: {}
  }
  /** Gives who has the link another password. They are signed out everywhere, and sign in with the new one. Anyone may ask. When the response was lost: Sign in with the new password: the link is good once, and may have been used. */
  resetPassword: {
    input: {
      body: {
        token: string
        password: string
      }
    }
    output: Person
  }
  /** Lists the people who belong to the account, with what each may do. Asks for the right `members.read`. */
  listMembers: {
    input: {
      cursor?: string
      limit?: number
    }
    output: {
      members: readonly Member[]
      next_cursor: string | null
    }
  }
  /** Gives a member another role, and signs them out everywhere. An account keeps at least one owner. Asks for the right `members.write`. When the response was lost: Look at GET /v1/members; choosing the same again does no harm. */
  setMemberRole: {
    input: {
      id: string
      body: {
        role: string
      }
    }
    output: Member
  }
  /** Takes the second factor of another member away, who has lost it; they must belong to this account only, and may do no more than you. Asks for the right `members.write`. When the response was lost: Look at GET /v1/members; taking it away again does no harm. */
  resetSecondFactor: {
    input: {
      id: string
    }
    output: Member
  }
  /** Takes a person out of the account: within a second they are signed out of it. An account keeps at least one owner. Asks for the right `members.write`. When the response was lost: Look at GET /v1/members: who is not there has been taken out. */
  removeMember: {
    input: {
      id: string
    }
    output: Member
  }
  /** Lists the roles that people may have: those of every account, and your own. Asks for the right `members.read`. */
  listRoles: {
    input: {}
    output: {
      built_in: readonly ({
        name: string
        rights: readonly string[]
      })[]
      roles: readonly Role[]
    }
  }
  /** Makes a role of your own, with some of your own rights, for members and invitations. Asks for the right `members.write`. When the response was lost: Send it again with the same Idempotency-Key. */
  createRole: {
    input: {
      body: {
        name: string
        rights: readonly ('connections.read' | 'connections.write' | 'templates.read' | 'templates.write' | 'contacts.read' | 'contacts.write' | 'consent.write' | 'campaigns.read' | 'campaigns.write' | 'campaigns.send' | 'conversations.read' | 'events.read' | 'webhooks.read' | 'webhooks.write' | 'settings.write' | 'keys.read' | 'members.read' | 'members.write' | 'audit.read' | 'dead-letters.read' | 'dead-letters.write' | 'keys.write')[]
      }
    }
    output: Role
  }
  /** Gives a role of your own another name or other rights: within a second those who have it may do as much as it says, and stay signed in. Asks for the right `members.write`. When the response was lost: Look at GET /v1/roles; choosing the same again does no harm. */
  updateRole: {
    input: {
      id: string
      body?: {
        name?: string
        rights?: readonly ('connections.read' | 'connections.write' | 'templates.read' | 'templates.write' | 'contacts.read' | 'contacts.write' | 'consent.write' | 'campaigns.read' | 'campaigns.write' | 'campaigns.send' | 'conversations.read' | 'events.read' | 'webhooks.read' | 'webhooks.write' | 'settings.write' | 'keys.read' | 'members.read' | 'members.write' | 'audit.read' | 'dead-letters.read' | 'dead-letters.write' | 'keys.write')[]
      }
    }
    output: Role
  }
  /** Deletes a role of your own that no member and no open invitation has. Asks for the right `members.write`. When the response was lost: Look at GET /v1/roles: one that is not there is deleted. */
  deleteRole: {
    input: {
      id: string
    }
    output: Role
  }
  /** Lists who did what to what, newest first, of the actor, action, target and time that are named. With "Accept: text/csv" or "application/x-ndjson" all of it comes as one file, from ?cursor= on. Asks for the right `audit.read`. */
  listAuditLog: {
    input: {
      action?: string
      actor_id?: string
      target_id?: string
      from?: string
      until?: string
      cursor?: string
      limit?: number
    }
    output: {
      entries: readonly AuditEntry[]
      next_cursor: string | null
    }
  }
  /** Lists work of the account that failed three times and waits for a person, by service, newest first: why it failed, and what of. ?lane= narrows it. Asks for the right `dead-letters.read`. */
  listDeadLetters: {
    input: {
      lane?: 'webhooks.message' | 'webhooks.campaign' | 'webhooks.template' | 'webhooks.account' | 'webhooks.adopt' | 'campaigns.run' | 'campaigns.forget' | 'conversations.forget' | 'contacts.import' | 'contacts.identity-updates' | 'templates.sync' | 'accounts.mail' | 'events.accounts' | 'events.campaigns' | 'events.contacts' | 'events.conversations' | 'events.templates' | 'events.events' | 'events.deliver'
      cursor?: string
      limit?: number
    }
    output: {
      dead_letters: readonly DeadLetter[]
      next_cursor: string | null
    }
  }
  /** Has entries of one lane tried again; those that are not there are passed over. Asks for the right `dead-letters.write`. When the response was lost: Look at GET /v1/dead-letters before you try again with a new key. */
  replayDeadLetters: {
    input: {
      body: {
        lane: 'webhooks.message' | 'webhooks.campaign' | 'webhooks.template' | 'webhooks.account' | 'webhooks.adopt' | 'campaigns.run' | 'campaigns.forget' | 'conversations.forget' | 'contacts.import' | 'contacts.identity-updates' | 'templates.sync' | 'accounts.mail' | 'events.accounts' | 'events.campaigns' | 'events.contacts' | 'events.conversations' | 'events.templates' | 'events.events' | 'events.deliver'
        ids: readonly string[]
      }
    }
    output: {
      replayed: number
    }
  }
  /** Gives entries of one lane up for good: what they held has no effect. Those that are not there are passed over. Asks for the right `dead-letters.write`. When the response was lost: Look at GET /v1/dead-letters before you try again with a new key. */
  dismissDeadLetters: {
    input: {
      body: {
        lane: 'webhooks.message' | 'webhooks.campaign' | 'webhooks.template' | 'webhooks.account' | 'webhooks.adopt' | 'campaigns.run' | 'campaigns.forget' | 'conversations.forget' | 'contacts.import' | 'contacts.identity-updates' | 'templates.sync' | 'accounts.mail' | 'events.accounts' | 'events.campaigns' | 'events.contacts' | 'events.conversations' | 'events.templates' | 'events.events' | 'events.deliver'
        ids: readonly string[]
      }
    }
    output: {
      dismissed: number
    }
  }
}

/** How each request is made. `list` names the field with the entries of a page. */
export const operations = {
  createApp: { method: 'POST', path: '/v1/apps', type: 'application/json' },
  listApps: { method: 'GET', path: '/v1/apps', list: 'apps' },
  getApp: { method: 'GET', path: '/v1/apps/{id}' },
  updateApp: { method: 'PATCH', path: '/v1/apps/{id}', type: 'application/json' },
  verifyWebhook: { method: 'POST', path: '/v1/apps/{id}/verify-webhook', type: 'application/json' },
  rotateAppSecret: { method: 'POST', path: '/v1/apps/{id}/rotate-secret', type: 'application/json' },
  createConnection: { method: 'POST', path: '/v1/connections', type: 'application/json' },
  listConnections: { method: 'GET', path: '/v1/connections', list: 'connections' },
  signUpConnection: { method: 'POST', path: '/v1/connections/sign-up', type: 'application/json' },
  getConnection: { method: 'GET', path: '/v1/connections/{id}' },
  renameConnection: { method: 'PATCH', path: '/v1/connections/{id}', type: 'application/json' },
  setConnectionLimits: { method: 'PUT', path: '/v1/connections/{id}/limits', type: 'application/json' },
  replaceToken: { method: 'PUT', path: '/v1/connections/{id}/token', type: 'application/json' },
  disconnect: { method: 'POST', path: '/v1/connections/{id}/disconnect' },
  listAccountEvents: { method: 'GET', path: '/v1/account-events', list: 'events' },
  startTemplateSync: { method: 'POST', path: '/v1/connections/{id}/template-syncs' },
  getTemplateSync: { method: 'GET', path: '/v1/template-syncs/{id}' },
  listTemplates: { method: 'GET', path: '/v1/templates', list: 'templates' },
  getTemplate: { method: 'GET', path: '/v1/templates/{id}' },
  getContactSettings: { method: 'GET', path: '/v1/contact-settings' },
  setContactSettings: { method: 'PUT', path: '/v1/contact-settings', type: 'application/json' },
  createContactAttribute: { method: 'POST', path: '/v1/contact-attributes', type: 'application/json' },
  listContactAttributes: { method: 'GET', path: '/v1/contact-attributes' },
  updateContactAttribute: { method: 'PATCH', path: '/v1/contact-attributes/{id}', type: 'application/json' },
  deleteContactAttribute: { method: 'DELETE', path: '/v1/contact-attributes/{id}' },
  createContactImport: { method: 'POST', path: '/v1/contact-imports', type: 'text/csv' },
  getContactImport: { method: 'GET', path: '/v1/contact-imports/{id}' },
  listImportErrors: { method: 'GET', path: '/v1/contact-imports/{id}/errors', list: 'errors' },
  createContact: { method: 'POST', path: '/v1/contacts', type: 'application/json' },
  listContacts: { method: 'GET', path: '/v1/contacts', list: 'contacts' },
  countContacts: { method: 'GET', path: '/v1/contact-count' },
  getContact: { method: 'GET', path: '/v1/contacts/{id}' },
  updateContact: { method: 'PATCH', path: '/v1/contacts/{id}', type: 'application/json' },
  archiveContact: { method: 'DELETE', path: '/v1/contacts/{id}' },
  recordConsent: { method: 'POST', path: '/v1/contacts/{id}/consent', type: 'application/json' },
  forgetContact: { method: 'POST', path: '/v1/contacts/{id}/forget' },
  getConsentRules: { method: 'GET', path: '/v1/consent-rules' },
  setConsentRules: { method: 'PUT', path: '/v1/consent-rules', type: 'application/json' },
  createCampaign: { method: 'POST', path: '/v1/campaigns', type: 'application/json' },
  listCampaigns: { method: 'GET', path: '/v1/campaigns', list: 'campaigns' },
  getCampaign: { method: 'GET', path: '/v1/campaigns/{id}' },
  updateDraft: { method: 'PATCH', path: '/v1/campaigns/{id}', type: 'application/json' },
  deleteDraft: { method: 'DELETE', path: '/v1/campaigns/{id}' },
  startCampaign: { method: 'POST', path: '/v1/campaigns/{id}/start' },
  pauseCampaign: { method: 'POST', path: '/v1/campaigns/{id}/pause' },
  resumeCampaign: { method: 'POST', path: '/v1/campaigns/{id}/resume' },
  cancelCampaign: { method: 'POST', path: '/v1/campaigns/{id}/cancel' },
  resendUnknown: { method: 'POST', path: '/v1/campaigns/{id}/resend-unknown', type: 'application/json' },
  listRecipients: { method: 'GET', path: '/v1/campaigns/{id}/recipients', list: 'recipients' },
  listConversations: { method: 'GET', path: '/v1/conversations', list: 'conversations' },
  listMessages: { method: 'GET', path: '/v1/conversations/{id}/messages', list: 'messages' },
  countInbound: { method: 'GET', path: '/v1/inbound-count' },
  listEvents: { method: 'GET', path: '/v1/events', list: 'events' },
  createWebhookEndpoint: { method: 'POST', path: '/v1/webhook-endpoints', type: 'application/json' },
  listWebhookEndpoints: { method: 'GET', path: '/v1/webhook-endpoints' },
  getWebhookEndpoint: { method: 'GET', path: '/v1/webhook-endpoints/{id}' },
  updateWebhookEndpoint: { method: 'PATCH', path: '/v1/webhook-endpoints/{id}', type: 'application/json' },
  deleteWebhookEndpoint: { method: 'DELETE', path: '/v1/webhook-endpoints/{id}' },
  enableWebhookEndpoint: { method: 'POST', path: '/v1/webhook-endpoints/{id}/enable' },
  rotateWebhookSecret: { method: 'POST', path: '/v1/webhook-endpoints/{id}/rotate-secret', type: 'application/json' },
  testWebhookEndpoint: { method: 'POST', path: '/v1/webhook-endpoints/{id}/test' },
  replayWebhooks: { method: 'POST', path: '/v1/webhook-endpoints/{id}/replay', type: 'application/json' },
  listWebhookDeliveries: { method: 'GET', path: '/v1/webhook-deliveries', list: 'deliveries' },
  createApiKey: { method: 'POST', path: '/v1/api-keys', type: 'application/json' },
  listApiKeys: { method: 'GET', path: '/v1/api-keys', list: 'api_keys' },
  rotateApiKey: { method: 'POST', path: '/v1/api-keys/{id}/rotate', type: 'application/json' },
  withdrawApiKey: { method: 'POST', path: '/v1/api-keys/{id}/withdraw' },
  signIn: { method: 'POST', path: '/v1/session', type: 'application/json' },
  signOut: { method: 'DELETE', path: '/v1/session' },
  finishSignIn: { method: 'POST', path: '/v1/session/code', type: 'application/json' },
  getMe: { method: 'GET', path: '/v1/me' },
  listSessions: { method: 'GET', path: '/v1/sessions' },
  endSessions: { method: 'DELETE', path: '/v1/sessions' },
  endSession: { method: 'DELETE', path: '/v1/sessions/{id}' },
  changePassword: { method: 'PUT', path: '/v1/me/password', type: 'application/json' },
  getSecondFactor: { method: 'GET', path: '/v1/me/second-factor' },
  startSecondFactor: { method: 'POST', path: '/v1/me/second-factor', type: 'application/json' },
  confirmSecondFactor: { method: 'POST', path: '/v1/me/second-factor/confirm', type: 'application/json' },
  disableSecondFactor: { method: 'POST', path: '/v1/me/second-factor/disable', type: 'application/json' },
  createInvitation: { method: 'POST', path: '/v1/invitations', type: 'application/json' },
  listInvitations: { method: 'GET', path: '/v1/invitations', list: 'invitations' },
  withdrawInvitation: { method: 'POST', path: '/v1/invitations/{id}/withdraw' },
  acceptInvitation: { method: 'POST', path: '/v1/invitations/accept', type: 'application/json' },
  createPasswordReset: { method: 'POST', path: '/v1/members/{id}/password-reset' },
  requestPasswordReset: { method: 'POST', path: '/v1/password-resets', type: 'application/json' },
  resetPassword: { method: 'POST', path: '/v1/password-resets/use', type: 'application/json' },
  listMembers: { method: 'GET', path: '/v1/members', list: 'members' },
  setMemberRole: { method: 'PUT', path: '/v1/members/{id}/role', type: 'application/json' },
  resetSecondFactor: { method: 'DELETE', path: '/v1/members/{id}/second-factor' },
  removeMember: { method: 'DELETE', path: '/v1/members/{id}' },
  listRoles: { method: 'GET', path: '/v1/roles' },
  createRole: { method: 'POST', path: '/v1/roles', type: 'application/json' },
  updateRole: { method: 'PATCH', path: '/v1/roles/{id}', type: 'application/json' },
  deleteRole: { method: 'DELETE', path: '/v1/roles/{id}' },
  listAuditLog: { method: 'GET', path: '/v1/audit-log', list: 'entries' },
  listDeadLetters: { method: 'GET', path: '/v1/dead-letters', list: 'dead_letters' },
  replayDeadLetters: { method: 'POST', path: '/v1/dead-letters/replay', type: 'application/json' },
  dismissDeadLetters: { method: 'POST', path: '/v1/dead-letters/dismiss', type: 'application/json' },
} as const
