import type { CampaignState, CampaignWait } from '@lockstep/contracts'
import { defineEntity, type InferEntity, p } from '@mikro-orm/core'

/**
 * One template to many people. Its recipients, attempts and statistics are written by sets, each in
 * a file of its own.
 */
export const CampaignSchema = defineEntity({
  name: 'Campaign',
  tableName: 'campaigns',
  properties: {
    id: p.uuid().primary(),
    accountId: p.uuid(),
    name: p.text(),
    connectionId: p.uuid(),
    /** The connection's number, which it keeps for ever, and its app when the campaign was made. */
    phoneNumberId: p.text(),
    appId: p.uuid(),
    templateId: p.uuid(),
    filter: p.json<{ tags: string[] }>(),
    values: p.json<Record<string, string>>(),
    state: p.text().$type<CampaignState>(),
    /** What it waits for while it sends, which `reason` explains. */
    waitsFor: p.text().$type<CampaignWait | ''>(),
    reason: p.text(),
    createdAt: p.datetime(),
    startedAt: p.datetime().nullable(),
    /**
     * When a person last ordered it to go on; what attempts before that tell does not stop it
     * again.
     */
    resumedAt: p.datetime().nullable(),
    finishedAt: p.datetime().nullable(),
  },
})

export type Campaign = InferEntity<typeof CampaignSchema>

export const entities = [CampaignSchema]
