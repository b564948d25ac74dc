import { defineEntity, type InferEntity, p } from '@mikro-orm/core'
import type { Fact, HealthIssues } from '../connections/facts.ts'
import type { TokenFacts } from '../connections/token-health.ts'

/** A tenant: a company that writes to its customers. */
export const AccountSchema = defineEntity({
  name: 'Account',
  tableName: 'accounts',
  properties: { id: p.uuid().primary(), name: p.text(), createdAt: p.datetime() },
})

/**
 * A Meta app: its secret signs webhooks, its verify token answers the handshake. Both are stored
 * sealed.
 */
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
    /** The previous secret signs no longer from then on. */
    previousSecretUntil: p.datetime().nullable(),
    sealedVerifyToken: p.blob(),
    /** When Meta's handshake with the verify token succeeded; null when it has not yet. */
    webhookVerifiedAt: p.datetime().nullable(),
    createdAt: p.datetime(),
  },
})

/**
 * A WhatsApp number of an account; app, WABA, `connectedAt` and `disconnectedAt` are those of its
 * newest interval.
 */
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
    /** These four by Meta's last word of the token: `TokenFacts`. */
    tokenExpiresAt: p.datetime().nullable(),
    dataAccessExpiresAt: p.datetime().nullable(),
    tokenScopes: p.json<string[]>(),
    tokenProblem: p.text(),
    /** When Meta was asked of the token last, and is to be asked again. */
    tokenCheckedAt: p.datetime().nullable(),
    tokenCheckDueAt: p.datetime(),
    /** What was told of the token last: `noticeOf`. */
    tokenNotice: p.text(),
    perMinute: p.integer(),
    perSecond: p.integer(),
    maxPerSecond: p.integer(),
    /**
     * As Meta names it: GREEN, YELLOW, RED or UNKNOWN; FLAGGED or UNFLAGGED after such an update.
     */
    quality: p.text(),
    /** TIER_250 … TIER_UNLIMITED; empty when Meta has not said. */
    messagingLimit: p.text(),
    healthIssues: p.json<HealthIssues>(),
    /** Meta's time of the last update in ms, by fact. */
    factTimes: p.json<Partial<Record<Fact, number>>>(),
    connectedAt: p.datetime(),
    disconnectedAt: p.datetime().nullable(),
  },
})

export type App = InferEntity<typeof AppSchema>
export type Connection = InferEntity<typeof ConnectionSchema>
/** What others may know of an app. */
export type AppFields = Pick<
  App,
  | 'id'
  | 'accountId'
  | 'name'
  | 'metaAppId'
  | 'createdAt'
  | 'previousSecretUntil'
  | 'webhookVerifiedAt'
>
/** What others may know of a connection. */
export type ConnectionFields = Omit<
  Connection,
  'maxPerSecond' | 'factTimes' | 'tokenCheckDueAt' | 'tokenNotice'
>
/** What a connection keeps of its token. */
export type TokenColumns = Pick<
  Connection,
  keyof TokenFacts | 'tokenCheckedAt' | 'tokenCheckDueAt' | 'tokenNotice'
>

export const entities = [AccountSchema, AppSchema, ConnectionSchema]
