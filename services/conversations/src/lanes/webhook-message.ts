import type { FeedEntry } from '@lockstep/feeds'
import type { LockKey } from '@lockstep/locks'
import type { ConnectionInterval } from '@lockstep/rpc/gen/accounts'
import { connectionsAt, type EntryResult, holdBatch, type SetHandler } from '@lockstep/service'
import { counter } from '@lockstep/telemetry'
import type { Context } from '../context.ts'
import { noteOf, outcomeOf, recheckAfterMs, withoutEffect } from '../inbound/part-result.ts'
import { readPart } from '../inbound/read-part.ts'
import {
  type ConnectedPart,
  recordPeople,
  recordRefusals,
  recordStatuses,
} from '../inbound/remote-records.ts'
import { storeMessages, uniqueMessages } from '../inbound/store-messages.ts'

/**
 * Stores messages between people and numbers, once each, and hands statuses to campaigns and
 * contacts.
 */
export const webhookMessage: SetHandler<Context> = async (ctx, entries) => {
  // Asked after the receipt of each part, so that no interval can change the answer.
  const connectionsOf = await connectionsAt(entries, 'phoneNumberId', async (request) => {
    return (await ctx.peers.accounts.resolveConnections(request, {})).intervals
  })
  const results: EntryResult[] = []
  const parts: ConnectedPart[] = []
  for (const entry of entries) {
    const found = connectionsOf(entry)
    // A number is of one account at a time, so there is one.
    if (typeof found === 'string') results.push({ id: entry.id, outcome: found })
    else parts.push(connectedPart(entry, found[0]!))
  }
  if (parts.length > 0) results.push(...(await handleParts(ctx, parts)))
  return results
}

function connectedPart(entry: FeedEntry, connection: ConnectionInterval): ConnectedPart {
  return { ...readPart(entry, connection.phoneNumberId), connection }
}

/**
 * The effects of all parts, as one set. Other services are asked first: inside the transaction
 * nothing is called.
 */
async function handleParts(ctx: Context, parts: ConnectedPart[]): Promise<EntryResult[]> {
  await using _lock = await holdBatch(ctx, locksOfParts(parts))
  const messages = uniqueMessages(parts)
  const [people, matched] = await Promise.all([
    recordPeople(ctx, messages, parts),
    recordStatuses(ctx, parts),
    recordRefusals(ctx, parts),
  ])
  if (messages.length > 0 || people.merged.length > 0)
    await storeMessages(ctx, parts, messages, people)
  return parts.map((part) => resultOf(ctx, part, matched))
}

function locksOfParts(parts: ConnectedPart[]): LockKey[] {
  const connectionIds = new Set(parts.map((part) => part.connection.id))
  return [
    ...[...connectionIds].map((id) => ({ name: 'webhook_process' as const, id })),
    ...parts.flatMap((part) =>
      part.messages.map(({ wamid }) => ({ name: 'webhook_message' as const, id: wamid })),
    ),
    ...parts.flatMap((part) =>
      part.statuses.map(({ wamid }) => ({ name: 'webhook_status' as const, id: wamid })),
    ),
  ]
}

function resultOf(ctx: Context, part: ConnectedPart, matched: ReadonlySet<string>): EntryResult {
  const laterMs = recheckAfterMs(part, matched, ctx.now(), ctx.times)
  if (laterMs !== null) return { id: part.id, laterMs }
  return { id: part.id, outcome: outcomeOf(part, matched), ...countWithoutEffect(part, matched) }
}

const elementsWithoutEffect = counter(
  'lockstep_webhook_elements_without_effect_total',
  'Elements of processed webhook parts that had no effect, by reason',
)

/** Counts a finished part's elements without effect, and notes them on it: they have no row. */
function countWithoutEffect(part: ConnectedPart, matched: ReadonlySet<string>): { note?: string } {
  const counts = withoutEffect(part, matched)
  for (const [reason, count] of Object.entries(counts))
    if (count > 0) elementsWithoutEffect(count, { reason })
  const note = noteOf(counts)
  return note === undefined ? {} : { note }
}
