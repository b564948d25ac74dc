// Written by `npm run generate` from proto/ and the folders in services/; do not edit.

/** Loads the definition of each service that serves methods of its own, by its name. */
export const definitions = {
  accounts: async () => (await import('./lockstep/accounts/v1/accounts.ts')).AccountsDefinition,
  campaigns: async () => (await import('./lockstep/campaigns/v1/campaigns.ts')).CampaignsDefinition,
  contacts: async () => (await import('./lockstep/contacts/v1/contacts.ts')).ContactsDefinition,
  conversations: async () => (await import('./lockstep/conversations/v1/conversations.ts')).ConversationsDefinition,
  events: async () => (await import('./lockstep/events/v1/events.ts')).EventsDefinition,
  templates: async () => (await import('./lockstep/templates/v1/templates.ts')).TemplatesDefinition,
  'webhook-gateway': async () => (await import('./lockstep/webhook_gateway/v1/webhook_gateway.ts')).WebhookGatewayDefinition,
} as const
