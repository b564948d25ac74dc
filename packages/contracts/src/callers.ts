import { lanes, type ServiceName, services } from './streams.ts'

/** Who may call a service: another one, or the people who run the platform. It is the common name of a certificate's subject. */
export type Caller = ServiceName | 'operator'

export const allCallers: readonly Caller[] = [...services, 'operator']

/** The workers of the lanes whose rows wait in the service that serves the method. */
const workers = 'workers'

/**
 * Which callers may call which method, by the full name of its gRPC service. It is enforced where calls come with a certificate; a
 * method that isn't named here can't be called by anybody.
 */
const table: Record<string, Record<string, readonly Caller[] | typeof workers>> = {
  'lockstep.accounts.v1.Accounts': {
    CreateAccount: ['operator'],
    CreateApiKey: ['operator'],
    AuthenticateKey: ['api'],
    CreateApp: ['api'],
    RotateAppSecret: ['operator'],
    GetWebhookApp: ['webhook-gateway'],
    ResealSecrets: ['operator'],
    CreateConnection: ['api'],
    GetConnection: ['api', 'campaigns', 'templates', 'webhook-gateway'],
    ListConnections: ['api', 'webhook-gateway'],
    ReplaceToken: ['api'],
    SetConnectionLimits: ['api'],
    Disconnect: ['api'],
    ResolveConnections: ['conversations', 'templates', 'webhook-gateway'],
    ListAccountEvents: ['api'],
  },
  'lockstep.campaigns.v1.Campaigns': {
    CreateCampaign: ['api'],
    StartCampaign: ['api'],
    PauseCampaign: ['api'],
    ResumeCampaign: ['api'],
    CancelCampaign: ['api'],
    GetCampaign: ['api'],
    ListCampaigns: ['api'],
    ListRecipients: ['api'],
    ResendUnknown: ['api'],
    RecordStatuses: ['conversations'],
  },
  'lockstep.contacts.v1.Contacts': {
    RecordInbound: ['conversations'],
    RecordRefusals: ['campaigns', 'conversations'],
    CheckSendable: ['campaigns'],
    StreamAudience: ['campaigns'],
    CreateImport: ['api'],
    GetImport: ['api'],
    ListImportErrors: ['api'],
    ListContacts: ['api'],
    GetContact: ['api'],
    RecordConsent: ['api'],
    GetConsentRules: ['api'],
    SetConsentRules: ['api'],
    GetContactSettings: ['api'],
    SetContactSettings: ['api'],
  },
  'lockstep.conversations.v1.Conversations': {
    ListConversations: ['api'],
    ListMessages: ['api'],
    CountInbound: ['api'],
  },
  'lockstep.feed.v1.Feed': {
    Take: workers,
    Settle: workers,
    Ring: workers,
    ListDead: ['operator'],
    Replay: ['operator'],
    Dismiss: ['operator'],
  },
  'lockstep.templates.v1.Templates': {
    StartSync: ['api'],
    GetSync: ['api'],
    ListTemplates: ['api'],
    GetTemplate: ['campaigns'],
  },
  'lockstep.webhook_gateway.v1.WebhookGateway': {
    CountParts: ['operator'],
    ListParts: ['operator'],
    ReplayWebhooks: ['operator'],
    ClaimParts: ['operator'],
    GetHearing: ['campaigns'],
  },
}

/** Who may call a method of a service; `path` is as gRPC writes it: `lockstep.feed.v1.Feed/Take`, with or without a slash before it. */
export function callersOf(service: ServiceName, path: string): readonly Caller[] {
  const [definition = '', method = ''] = path.replace(/^\//, '').split('/')
  const methods = Object.hasOwn(table, definition) ? table[definition]! : {}
  const named = Object.hasOwn(methods, method) ? methods[method]! : []
  return named === workers ? workersOf(service) : named
}

function workersOf(producer: ServiceName): Caller[] {
  const consumers = Object.values(lanes).flatMap((lane) => (lane.producer === producer && lane.consumer !== producer ? lane.consumer : []))
  return [...new Set(consumers)]
}
