import type { SyncState } from '@lockstep/contracts'
import { defineEntity, type InferEntity, p } from '@mikro-orm/core'

/** A template in one language, as an account's WABA holds it at Meta. */
export const TemplateSchema = defineEntity({
  name: 'Template',
  tableName: 'templates',
  properties: {
    id: p.uuid().primary(),
    accountId: p.uuid(),
    wabaId: p.text(),
    metaId: p.text(),
    name: p.text(),
    language: p.text(),
    category: p.text(),
    status: p.text(),
    components: p.json<unknown[]>(),
    parameterFormat: p.text(),
    quality: p.text(),
    /** Meta's word for why it was rejected; NONE otherwise. */
    rejectedReason: p.text(),
    /** As Meta said it; empty when it gave none, or a list has named another status since. */
    statusReason: p.text(),
    /** The category that Meta has announced and when it comes; empty when it has announced none. */
    nextCategory: p.text(),
    nextCategoryAt: p.datetime().nullable(),
    /** When a sync last wrote it, by the database's clock. */
    lastSeenAt: p.datetime(),
    /** When the list that it was last read from was asked for. */
    syncedAt: p.datetime(),
    /** Meta's times of the last updates. */
    statusEventAt: p.datetime().nullable(),
    qualityEventAt: p.datetime().nullable(),
    categoryEventAt: p.datetime().nullable(),
    announcementEventAt: p.datetime().nullable(),
    /** Of the last change of its components that a sync was queued for. */
    componentsEventAt: p.datetime().nullable(),
  },
})

/**
 * One sync of a connection's WABA, asked for by a person or an update; a connection has one
 * `queued` or `running`.
 */
export const SyncRunSchema = defineEntity({
  name: 'SyncRun',
  tableName: 'sync_runs',
  properties: {
    id: p.uuid().primary(),
    accountId: p.uuid(),
    connectionId: p.uuid(),
    wabaId: p.text(),
    state: p.text().$type<SyncState>(),
    seen: p.integer(),
    removed: p.integer(),
    failure: p.text(),
    createdAt: p.datetime(),
    /** When its present attempt began; when it was queued, until then. */
    startedAt: p.datetime(),
    finishedAt: p.datetime().nullable(),
  },
})

export type Template = InferEntity<typeof TemplateSchema>
export type SyncRun = InferEntity<typeof SyncRunSchema>

export const entities = [TemplateSchema, SyncRunSchema]
