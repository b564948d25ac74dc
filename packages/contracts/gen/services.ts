// Written by `npm run generate` from the folders in services/; do not edit.

/** The services that exist by name; each owns one PostgreSQL schema and one role of that name (dashes become underscores). */
export const services = [
  'accounts',
  'api',
  'campaigns',
  'contacts',
  'conversations',
  'events',
  'templates',
  'webhook-gateway',
] as const
export type ServiceName = (typeof services)[number]
