import type { Tx } from '@lockstep/database'
import type { Campaign } from '../db/entities.ts'
import { analyzeLists, endPreparation } from '../db/preparations.ts'
import { moveCampaign } from '../lifecycle/move-campaign.ts'
import type { ListWork } from './list-work.ts'

/** PostgreSQL should know of a list of so many before it is sent to. */
const largeList = 500

/** preparing → sending, or completed when the list has nobody to write to. */
export async function finishList({ ctx, campaign }: ListWork, tx: Tx): Promise<void> {
  const { queued, skipped } = await endPreparation(tx, campaign.id)
  const recipients = queued + skipped
  if (queued > 0) await moveCampaign(ctx, tx, campaign.id, ['preparing'], 'sending')
  else
    await moveCampaign(ctx, tx, campaign.id, ['preparing'], 'completed', {
      reason: nobodyReason(campaign, skipped),
      finishedAt: new Date(ctx.now()),
    })
  tx.afterCommit(() => {
    ctx.log.info({ campaignId: campaign.id, recipients }, 'A campaign was prepared')
    if (recipients >= largeList)
      void ctx.db
        .system((own) => analyzeLists(own, recipients))
        .catch((err) => ctx.log.warn({ err }, 'The lists were not analyzed'))
  })
}

function nobodyReason({ filter: { tags } }: Campaign, skipped: number): string {
  const tagged = tags.map((tag) => `"${tag}"`).join(' or ')
  if (skipped === 0) return `Nobody was written to: no contact has the tag ${tagged}.`
  const people = skipped === 1 ? 'the one person' : `all ${skipped} people`
  return `Nobody was written to: ${people} with the tag ${tagged} had to be left out. The list of recipients says why.`
}
