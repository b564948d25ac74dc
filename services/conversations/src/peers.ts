import type { ConnectionInterval } from '@lockstep/rpc/gen/accounts'
import type { Merged, RecordInboundResponse } from '@lockstep/rpc/gen/contacts'
import type { Context } from './context.ts'
import type { Message, Part } from './part.ts'

/** Nearly every batch is one call; 2 MB of the shortest messages would be more than `contacts` takes at once. */
const peopleAtOnce = 2_000

/**
 * Finds or creates the contacts of the senders, with what they said about marketing and the ids that they have now; answers a contact
 * id for each message, and the contacts that are one with these.
 */
export async function recordPeople(
  ctx: Context,
  { accountId }: ConnectionInterval,
  messages: Message[],
  parts: Part[],
): Promise<RecordInboundResponse> {
  const people = [...messages.map((message) => message.person), ...parts.flatMap((part) => part.news)]
  const contactIds: string[] = []
  const merged = new Map<string, Merged>()
  for (let from = 0; from < people.length; from += peopleAtOnce) {
    const some = people.slice(from, from + peopleAtOnce).map((person) => ({ ...person, accountId }))
    const answer = await ctx.contacts.recordInbound({ people: some }, {})
    contactIds.push(...answer.contactIds)
    for (const one of answer.merged) merged.set(one.contactId, one)
  }
  // A contact that one call answered may have been merged by the next.
  return { contactIds: contactIds.map((contactId) => merged.get(contactId)?.into ?? contactId), merged: [...merged.values()] }
}

/** Gives statuses that came without a valid token to the campaigns that sent the messages; answers the wamids that were theirs. */
export async function recordStatuses(ctx: Context, { accountId }: ConnectionInterval, parts: Part[]): Promise<Set<string>> {
  const statuses = parts
    .flatMap((part) => part.statuses)
    .map(({ wamid, status, timestampMs, errors: [error] }) => ({
      accountId,
      wamid,
      status,
      atMs: timestampMs,
      errorCode: error?.code ?? undefined,
      errorWords: error?.details || error?.title || '',
    }))
  if (statuses.length === 0) return new Set()
  const { matchedWamids } = await ctx.campaigns.recordStatuses({ statuses }, {})
  return new Set(matchedWamids)
}
