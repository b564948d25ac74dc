import type { AddressUpdate, AttemptChange } from '@lockstep/sending'
import type { AttemptKey } from '../db/attempts.ts'

/** What became known about an attempt of a campaign. */
export interface CampaignChange extends AttemptKey {
  accountId: string
  change: AttemptChange
  identityUpdate?: AddressUpdate
}

/** Changes of one campaign. */
export const campaignChanges = (
  accountId: string,
  campaignId: string,
  changes: Omit<CampaignChange, 'accountId' | 'campaignId'>[],
): CampaignChange[] => changes.map((change) => ({ ...change, accountId, campaignId }))
