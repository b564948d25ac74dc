import { AppError, type CampaignState } from '@lockstep/contracts'

/** What a person may ask of a campaign, from which states, and where it leads. */
const transitions = {
  start: { from: ['draft', 'failed'], to: 'preparing' },
  pause: { from: ['sending'], to: 'paused' },
  resume: { from: ['paused'], to: 'sending' },
  cancel: { from: ['draft', 'preparing', 'sending', 'paused', 'failed'], to: 'cancelled' },
} as const satisfies Record<string, { from: readonly CampaignState[]; to: CampaignState }>

export type Transition = keyof typeof transitions

/**
 * The state that a transition leads to; throws `conflict` where the campaign is in no state for it.
 */
export function stateAfter(
  transition: Transition,
  campaign: { name: string; state: CampaignState },
): CampaignState {
  const { from, to } = transitions[transition]
  if ((from as readonly CampaignState[]).includes(campaign.state)) return to
  throw new AppError(
    'conflict',
    `Campaign "${campaign.name}" is ${campaign.state}; only one that is ${from.join(' or ')} can be told to ${transition}`,
  )
}
