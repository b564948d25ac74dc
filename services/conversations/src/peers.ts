import type { Merged } from '@lockstep/rpc/gen/contacts'
import { idsOf, refusalCodes, tellingError } from '@lockstep/whatsapp'
import type { Context } from './context.ts'
import type { OwnedMessage, OwnedPart } from './lanes/webhook-message.ts'

/** Nearly every set is one call; 2 MB of the shortest messages would be more than `contacts` takes at once. */
const peopleAtOnce = 2_000

export interface People {
  /** The contact of each message's sender, in the order of the messages. */
  contactIds: string[]
  /** Contacts that are one with these. */
  merged: Merged[]
}

/** Finds or creates the contacts of the senders, with what they said about marketing and the ids that they have now. */
export async function recordPeople(
  ctx: Context,
  messages: readonly OwnedMessage[],
  parts: readonly OwnedPart[],
): Promise<People> {
  const people = [
    ...messages.map(({ person, connection: { accountId } }) => ({ ...person, accountId })),
    ...parts.flatMap(({ news, connection: { accountId } }) =>
      news.map((person) => ({ ...person, accountId })),
    ),
  ]
  const contactIds: string[] = []
  const merged = new Map<string, Merged>()
  for (let from = 0; from < people.length; from += peopleAtOnce) {
    const named = people
      .slice(from, from + peopleAtOnce)
      .map((person, i) => ({ ...person, ref: String(i) }))
    const answer = await ctx.peers.contacts.recordInbound({ people: named }, {})
    contactIds.push(...named.map(({ ref }) => answer.contactIds[ref]!))
    for (const one of answer.merged) merged.set(one.contactId, one)
  }
  // A contact that one call answered may have been merged by the next.
  const ofMessages = contactIds.slice(0, messages.length)
  return {
    contactIds: ofMessages.map((contactId) => merged.get(contactId)?.into ?? contactId),
    merged: [...merged.values()],
  }
}

/** Gives statuses that came without a valid token to the campaigns that sent the messages; answers the wamids that were theirs. */
export async function recordStatuses(
  ctx: Context,
  parts: readonly OwnedPart[],
): Promise<Set<string>> {
  const statuses = parts.flatMap(({ statuses, connection: { accountId } }) =>
    statuses.map(({ wamid, status, timestampMs, errors }) => {
      const { code, details, title } = tellingError(errors) ?? {
        code: null,
        details: '',
        title: '',
      }
      const errorCodes = refusalCodes(errors.map((error) => error.code))
      return {
        accountId,
        wamid,
        status,
        atMs: timestampMs,
        errorCode: code ?? undefined,
        errorWords: details || title,
        errorCodes,
      }
    }),
  )
  if (statuses.length === 0) return new Set()
  const { matchedWamids } = await ctx.peers.campaigns.recordStatuses({ statuses }, {})
  return new Set(matchedWamids)
}

/** Tells contacts of recipients that may not be written to any more, whoever sent the messages; those who are not known are passed over. */
export async function recordRefusals(ctx: Context, parts: readonly OwnedPart[]): Promise<void> {
  const refusals = parts.flatMap(({ statuses, connection: { accountId } }) =>
    statuses.flatMap(({ recipientId, userId, timestampMs, errors }) => {
      const { waId = '', userId: id = '' } = idsOf(recipientId, userId)
      if (!waId && !id) return []
      return refusalCodes(errors.map(({ code }) => code)).map((code) => ({
        accountId,
        waId,
        userId: id,
        code,
        atMs: timestampMs,
      }))
    }),
  )
  for (let from = 0; from < refusals.length; from += peopleAtOnce)
    await ctx.peers.contacts.recordRefusals(
      { refusals: refusals.slice(from, from + peopleAtOnce) },
      {},
    )
}
