import type { ConnectionInterval } from '@lockstep/rpc/gen/accounts'
import type { Merged } from '@lockstep/rpc/gen/contacts'
import { idsOf, mainError, refusalCodes } from '@lockstep/whatsapp'
import type { Context } from '../context.ts'
import type { InboundPart, PartMessage } from './read-part.ts'

/** A part or message with the connection that it belongs to. */
export type ConnectedPart = InboundPart & { connection: ConnectionInterval }
export type ConnectedMessage = PartMessage & { connection: ConnectionInterval }

/**
 * More of the shortest messages would be a larger call than `contacts` accepts; nearly every set is
 * one call.
 */
const maxPerCall = 2_000

export interface RecordedPeople {
  /** The contact of each message's sender, in the order of the messages. */
  contactIds: string[]
  /** Contacts that were merged into others. */
  merged: Merged[]
}

/**
 * Finds or creates the contacts of the senders, with their ids and what they said about marketing.
 */
export async function recordPeople(
  ctx: Context,
  messages: readonly ConnectedMessage[],
  parts: readonly ConnectedPart[],
): Promise<RecordedPeople> {
  const people = [
    ...messages.map(({ person, connection: { accountId } }) => ({ ...person, accountId })),
    ...parts.flatMap(({ updates, connection: { accountId } }) =>
      updates.map((person) => ({ ...person, accountId })),
    ),
  ]
  const contactIds: string[] = []
  const merged = new Map<string, Merged>()
  for (let from = 0; from < people.length; from += maxPerCall) {
    const page = people.slice(from, from + maxPerCall)
    const named = page.map((person, i) => ({ ...person, ref: String(i) }))
    const answer = await ctx.peers.contacts.recordInbound({ people: named }, {})
    contactIds.push(...named.map(({ ref }) => answer.contactIds[ref]!))
    for (const each of answer.merged) merged.set(each.contactId, each)
  }
  // A contact that one call answered may have been merged by the next.
  const ofMessages = contactIds.slice(0, messages.length)
  return {
    contactIds: ofMessages.map((contactId) => merged.get(contactId)?.into ?? contactId),
    merged: [...merged.values()],
  }
}

/** Gives statuses to the campaigns that sent their messages; answers the wamids that matched. */
export async function recordStatuses(
  ctx: Context,
  parts: readonly ConnectedPart[],
): Promise<Set<string>> {
  const statuses = parts.flatMap(({ statuses, connection: { accountId } }) =>
    statuses.map(({ wamid, status, timestampMs, errors }) => {
      const error = mainError(errors)
      return {
        ...{ accountId, wamid, status, atMs: timestampMs },
        errorCode: error?.code ?? undefined,
        errorMessage: error?.details || error?.title || '',
        errorCodes: refusalCodes(errors.map(({ code }) => code)),
      }
    }),
  )
  if (statuses.length === 0) return new Set()
  const { matchedWamids } = await ctx.peers.campaigns.recordStatuses({ statuses }, {})
  return new Set(matchedWamids)
}

/** Tells `contacts` which recipients may not be written to any more, whoever sent the messages. */
export async function recordRefusals(ctx: Context, parts: readonly ConnectedPart[]): Promise<void> {
  const refusals = parts.flatMap(({ statuses, connection: { accountId } }) =>
    statuses.flatMap(({ recipientId, userId, timestampMs, errors }) => {
      const { waId = '', userId: id = '' } = idsOf(recipientId, userId)
      if (!waId && !id) return []
      return refusalCodes(errors.map(({ code }) => code)).map((code) => ({
        ...{ accountId, waId, userId: id, code, atMs: timestampMs },
      }))
    }),
  )
  for (let from = 0; from < refusals.length; from += maxPerCall) {
    const page = refusals.slice(from, from + maxPerCall)
    await ctx.peers.contacts.recordRefusals({ refusals: page }, {})
  }
}
