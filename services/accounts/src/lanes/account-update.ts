import type { FeedEntry } from '@lockstep/database'
import type { EntryVerdict, LaneHandler } from '@lockstep/service'
import { accountEvents, parseWebhook, textOf } from '@lockstep/whatsapp'
import type { Context } from '../context.ts'
import type { Connection } from '../db/entities.ts'
import { connectionsAt, setQuality } from '../db/queries.ts'

/** Applies what Meta says about a WABA and its numbers, for every account that has it by the app that signed. */
export const accountUpdate: LaneHandler<Context> = async (ctx, wabaId, entries) => {
  const verdicts: EntryVerdict[] = []
  for (const entry of entries) verdicts.push({ id: entry.id, outcome: await apply(ctx, wabaId, entry) })
  return verdicts
}

async function apply(ctx: Context, wabaId: string, entry: FeedEntry): Promise<string> {
  const connections = await ctx.db.system((tx) => connectionsAt(tx, '', wabaId, new Date(entry.createdAtMs)))
  if (connections.length === 0) return 'unclaimed'
  const bound = connections.filter((connection) => connection.appId === entry.appId)
  if (bound.length === 0) return 'foreign'
  const updates = qualityUpdates(entry.body)
  for (const accountId of new Set(bound.map((connection: Connection) => connection.accountId)))
    await ctx.db.transaction(accountId, async (tx) => {
      for (const { displayPhoneNumber, quality } of updates) await setQuality(tx, displayPhoneNumber, quality)
    })
  return updates.length > 0 ? 'done' : 'kept'
}

/** Meta's phone_number_quality_update: its `event` and the number as people read it (meta-cloud-api.md §2). */
function qualityUpdates(body: Buffer): { displayPhoneNumber: string; quality: string }[] {
  return accountEvents(parseWebhook(body)).flatMap(({ field, value }) => {
    const displayPhoneNumber = textOf(value.display_phone_number)
    const quality = textOf(value.event)
    return field === 'phone_number_quality_update' && displayPhoneNumber && quality ? [{ displayPhoneNumber, quality }] : []
  })
}
