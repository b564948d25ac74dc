import { authenticateKey } from './authenticate-key.ts'
import { createAccount } from './create-account.ts'
import { createApiKey } from './create-api-key.ts'
import { createApp } from './create-app.ts'
import { createConnection } from './create-connection.ts'
import { disconnect } from './disconnect.ts'
import { getConnection } from './get-connection.ts'
import { getWebhookApp } from './get-webhook-app.ts'
import { listAccountEvents } from './list-account-events.ts'
import { listConnections } from './list-connections.ts'
import { replaceToken } from './replace-token.ts'
import { resealSecrets } from './reseal-secrets.ts'
import { resolveConnections } from './resolve-connections.ts'
import { rotateAppSecret } from './rotate-app-secret.ts'
import { setConnectionLimits } from './set-connection-limits.ts'

export const methods = {
  authenticateKey,
  createAccount,
  createApiKey,
  createApp,
  createConnection,
  disconnect,
  getConnection,
  getWebhookApp,
  listAccountEvents,
  listConnections,
  replaceToken,
  resealSecrets,
  resolveConnections,
  rotateAppSecret,
  setConnectionLimits,
}

export const callers = {
  authenticateKey: ['api'],
  createAccount: ['operator'],
  createApiKey: ['operator'],
  createApp: ['api'],
  createConnection: ['api'],
  disconnect: ['api'],
  getConnection: ['api', 'campaigns', 'templates', 'webhook-gateway'],
  getWebhookApp: ['webhook-gateway'],
  listAccountEvents: ['api'],
  listConnections: ['api', 'webhook-gateway'],
  replaceToken: ['api'],
  resealSecrets: ['operator'],
  resolveConnections: ['conversations', 'templates', 'webhook-gateway'],
  rotateAppSecret: ['operator'],
  setConnectionLimits: ['api'],
} as const

/** Called by the platform itself, before or across tenants. */
export const acrossAccounts = [
  'authenticateKey',
  'createAccount',
  'getWebhookApp',
  'resealSecrets',
  'resolveConnections',
] as const
