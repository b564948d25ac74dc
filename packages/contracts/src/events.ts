/** Subjects of events for live views; nothing depends on one arriving. */
export const events = {
  /** An app, its secrets or its numbers changed; the payload is its id. */
  appsChanged: 'events.accounts.app.changed',
  /** A campaign's state or statistics changed; the payload is its id. */
  campaignChanged: 'events.campaigns.campaign.changed',
  /** Events of accounts were recorded; the payload is the ids of the accounts. */
  eventsRecorded: 'events.events.account.recorded',
} as const
