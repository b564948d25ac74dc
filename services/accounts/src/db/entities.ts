import { defineEntity, type InferEntity, p } from '@mikro-orm/core'

/** A tenant: a company that writes to its customers. */
export const AccountSchema = defineEntity({
  name: 'Account',
  tableName: 'accounts',
  properties: { id: p.uuid().primary(), name: p.text(), createdAt: p.datetime() },
})

/** A Meta app: its secret signs webhooks, its verify token answers the handshake. Both are stored sealed. */
export const AppSchema = defineEntity({
  name: 'App',
  tableName: 'apps',
  properties: {
    id: p.uuid().primary(),
    accountId: p.uuid(),
    name: p.text(),
    metaAppId: p.text(),
    sealedSecret: p.blob(),
    sealedPreviousSecret: p.blob().nullable(),
    sealedVerifyToken: p.blob(),
    createdAt: p.datetime(),
  },
})

/** A WhatsApp number that belonged to an account from `connectedAt` until `disconnectedAt`. */
export const ConnectionSchema = defineEntity({
  name: 'Connection',
  tableName: 'connections',
  properties: {
    id: p.uuid().primary(),
    accountId: p.uuid(),
    name: p.text(),
    phoneNumberId: p.text(),
    wabaId: p.text(),
    appId: p.uuid(),
    displayPhoneNumber: p.text(),
    verifiedName: p.text(),
    sealedToken: p.blob(),
    perMinute: p.integer(),
    perSecond: p.integer(),
    maxPerSecond: p.integer(),
    quality: p.text(),
    connectedAt: p.datetime(),
    disconnectedAt: p.datetime().nullable(),
  },
})

export type App = InferEntity<typeof AppSchema>
export type Connection = InferEntity<typeof ConnectionSchema>

export const entities = [AccountSchema, AppSchema, ConnectionSchema]
