import { getApp, listApps, updateApp, verifyWebhook } from './apps.ts'
import { authenticateKey } from './authenticate-key.ts'
import { createAccount } from './create-account.ts'
import { createApiKey } from './create-api-key.ts'
import { createApp } from './create-app.ts'
import { createConnection } from './create-connection.ts'
import { disconnect } from './disconnect.ts'
import { getConnection } from './get-connection.ts'
import { getWebhookApp } from './get-webhook-app.ts'
import { listAccountEvents } from './list-account-events.ts'
import { listApiKeys } from './list-api-keys.ts'
import { listConnections } from './list-connections.ts'
import { peopleAcrossAccounts, peopleCallers, peopleMethods } from './people.ts'
import { renameConnection } from './rename-connection.ts'
import { replaceToken } from './replace-token.ts'
import { countSecrets, resealSecrets } from './reseal-secrets.ts'
import { resolveConnections } from './resolve-connections.ts'
import { rotateApiKey } from './rotate-api-key.ts'
import { rotateAppSecret } from './rotate-app-secret.ts'
import { setConnectionLimits } from './set-connection-limits.ts'
import { signUpConnection } from './sign-up-connection.ts'
import { withdrawApiKey } from './withdraw-api-key.ts'

export const methods = {
  ...peopleMethods,
  authenticateKey,
  countSecrets,
  createAccount,
  createApiKey,
  createApp,
  createConnection,
  disconnect,
  getApp,
  getConnection,
  getWebhookApp,
  listAccountEvents,
  listApiKeys,
  listApps,
  listConnections,
  renameConnection,
  replaceToken,
  resealSecrets,
  resolveConnections,
  rotateApiKey,
  rotateAppSecret,
  setConnectionLimits,
  signUpConnection,
  updateApp,
  verifyWebhook,
  withdrawApiKey,
}

export const callers = {
  ...peopleCallers,
  authenticateKey: ['api'],
  countSecrets: ['operator'],
  createAccount: ['operator'],
  createApiKey: ['api', 'operator'],
  createApp: ['api'],
  createConnection: ['api'],
  disconnect: ['api'],
  getApp: ['api'],
  getConnection: ['api', 'campaigns', 'templates', 'webhook-gateway'],
  getWebhookApp: ['webhook-gateway'],
  listAccountEvents: ['api'],
  listApiKeys: ['api'],
  listApps: ['api'],
  listConnections: ['api', 'webhook-gateway'],
  renameConnection: ['api'],
  replaceToken: ['api'],
  resealSecrets: ['operator'],
  resolveConnections: ['conversations', 'templates', 'webhook-gateway'],
  rotateApiKey: ['api'],
  rotateAppSecret: ['api', 'operator'],
  setConnectionLimits: ['api'],
  signUpConnection: ['api'],
  updateApp: ['api'],
  verifyWebhook: ['api'],
  withdrawApiKey: ['api'],
} as const

/** Called by the platform itself, before or across tenants. */
export const acrossAccounts = [
  ...peopleAcrossAccounts,
  'authenticateKey',
  'countSecrets',
  'createAccount',
  'getWebhookApp',
  'resealSecrets',
  'resolveConnections',
] as const
