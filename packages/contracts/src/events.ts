/** Subjects of events, by name. They serve live views and hasten a refresh; nothing depends on one arriving. */
export const events = {
  /** An app, its secrets or its numbers changed; the payload is its id. The gateway reads it anew. */
  appsChanged: 'events.accounts.app.changed',
  /** A campaign's state or statistics changed; the payload is its id. */
  campaignChanged: 'events.campaigns.campaign.changed',
} as const
