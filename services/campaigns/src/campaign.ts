import { AppError } from '@lockstep/contracts'
import type { Wait } from '@lockstep/sending'

/** What a campaign waits for while it sends: Meta's restriction, that replies are heard, or what sending waits for. */
export interface CampaignWait {
  for: 'restriction' | 'replies' | Wait['for']
  words: string
}

export type CampaignState =
  | 'draft'
  | 'preparing'
  | 'sending'
  | 'paused'
  | 'completed'
  | 'cancelled'
  | 'failed'

/** What a person may order, the states in which it makes sense, and where it leads. */
const orders = {
  start: { from: ['draft', 'failed'], to: 'preparing' },
  pause: { from: ['sending'], to: 'paused' },
  resume: { from: ['paused'], to: 'sending' },
  cancel: { from: ['draft', 'preparing', 'sending', 'paused', 'failed'], to: 'cancelled' },
} as const satisfies Record<string, { from: readonly CampaignState[]; to: CampaignState }>

export type Order = keyof typeof orders

/** The state that an order leads to. Throws `conflict` where the campaign is in no state for it. */
export function afterOrder(
  order: Order,
  campaign: { name: string; state: CampaignState },
): CampaignState {
  const { from, to } = orders[order]
  if ((from as readonly CampaignState[]).includes(campaign.state)) return to
  throw new AppError(
    'conflict',
    `Campaign "${campaign.name}" is ${campaign.state}; only one that is ${from.join(' or ')} can be told to ${order}`,
  )
}
