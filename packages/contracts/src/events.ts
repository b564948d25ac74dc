/** Subjects of events, by name. They serve live views and hasten a refresh; nothing depends on one arriving. */
export const events = {
  /** An app or one of its secrets changed; the gateway reads them anew. */
  appsChanged: 'events.accounts.app.changed',
  /** A campaign's state or statistics changed; the payload is its id. */
  campaignChanged: 'events.campaigns.campaign.changed',
} as const
