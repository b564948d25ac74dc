import type { SendQueue } from '@lockstep/sending'
import type { FencedLock } from '@lockstep/service'
import { buildTemplateMessage, type SendableTemplate } from '@lockstep/whatsapp'
import type { Context } from './context.ts'
import type { Campaign } from './db/entities.ts'
import { type Claimed, claimRecipients, recipientsOfContacts, waiting } from './db/recipients.ts'
import { addStatistics } from './db/statistics.ts'
import { refusedBy, tellRefusals } from './refusals.ts'
import { recordOutcomes } from './refused-run.ts'
import { moved } from './statistics.ts'

/** Recipients that one look at the queue counts, at most: it is looked at again when they are claimed. */
const maxReady = 1_000

/** A campaign's recipients as messages to be sent. Claims are those of the lock's newest holder; outcomes need no lock. */
export function campaignQueue(
  ctx: Context,
  campaign: Campaign,
  template: SendableTemplate,
  lock: FencedLock,
): SendQueue<Claimed> {
  const { id, accountId } = campaign
  return {
    accountId,
    owner: { kind: 'c', id },
    async look() {
      const { state, ready, nextMs, sending } = await ctx.db.transaction(accountId, (tx) =>
        waiting(tx, id, maxReady),
      )
      return state === 'sending'
        ? { kind: 'open', ready, nextMs, underWay: sending }
        : { kind: 'stopped' }
    },
    claim: (limit) =>
      lock.transaction(accountId, async (tx) => {
        const claimed = await claimRecipients(tx, id, limit, lock.fence.token)
        const variants = claimed.map(({ variant }) => variant)
        await addStatistics(tx, moved(id, variants, 'queued', 'sending'))
        return claimed
      }),
    others: (contactIds) =>
      ctx.db.transaction(accountId, (tx) => recipientsOfContacts(tx, id, contactIds)),
    compose: ({ values }, to, token) => buildTemplateMessage({ template, to, values, token }),
    async write(outcomes) {
      await tellRefusals(
        ctx,
        outcomes.flatMap(({ attemptId, change }) =>
          refusedBy({ accountId, campaignId: id, attemptId }, [change.code], change.at),
        ),
      )
      return ctx.db.transaction(accountId, (tx) => recordOutcomes(ctx, tx, campaign, outcomes))
    },
  }
}
