import {
  type ConnectionsAt,
  connectionsAt,
  type EntryResult,
  type LaneHandler,
} from '@lockstep/service'
import { type AccountEvent, accountEvents, parseWebhook } from '@lockstep/whatsapp'
import type { Context } from '../context.ts'
import { accountOfApp } from '../db/apps.ts'
import { intervalsOverlapping } from '../db/intervals.ts'
import { type AccountUpdate, recordUpdates } from '../updates/record-updates.ts'

/**
 * Applies and stores what Meta says about a WABA and its numbers, for every account that has it by
 * the app that signed.
 */
export const accountUpdate: LaneHandler<Context> = async (ctx, wabaId, entries) => {
  const connectionsOf = await connectionsAt(entries, 'wabaId', (request) =>
    ctx.db.system((tx) => intervalsOverlapping(tx, request)),
  )
  const results: EntryResult[] = []
  const byAccount = new Map<string, AccountUpdate[]>()
  for (const entry of entries) {
    const events = accountEvents(parseWebhook(entry.body)).filter(
      (event) => event.wabaId === wabaId,
    )
    const owners = namesNoWaba(events)
      ? await ownersOfApp(ctx, entry.appId)
      : ownersAmong(connectionsOf(entry))
    if (typeof owners === 'string') {
      results.push({ id: entry.id, outcome: owners })
      continue
    }
    results.push({ id: entry.id, outcome: events.length > 0 ? 'done' : 'no_action' })
    const receivedAt = new Date(entry.asOfMs)
    for (const [accountId, connectionIds] of owners) {
      const updates = events.map((event) => ({ connectionIds, event, receivedAt }))
      byAccount.set(accountId, [...(byAccount.get(accountId) ?? []), ...updates])
    }
  }
  for (const [accountId, updates] of byAccount) await recordUpdates(ctx, accountId, updates)
  return results
}

/** Ids of connections by account, or why there are none. */
type Owners = Map<string, string[]> | 'no_connection' | 'wrong_app'

/** These events name a business portfolio instead (Meta, partner_solutions). */
const namesNoWaba = (events: AccountEvent[]) =>
  events.some(({ field }) => field === 'partner_solutions')

async function ownersOfApp(ctx: Context, appId: string): Promise<Owners> {
  const accountId = await ctx.db.system((tx) => accountOfApp(tx, appId))
  return accountId ? new Map([[accountId, []]]) : 'no_connection'
}

function ownersAmong(connections: ConnectionsAt): Owners {
  if (typeof connections === 'string') return connections
  const byAccount = Map.groupBy(connections, ({ accountId }) => accountId)
  return new Map([...byAccount].map(([accountId, all]) => [accountId, all.map(({ id }) => id)]))
}
