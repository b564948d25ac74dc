import { cancelCampaign } from './cancel-campaign.ts'
import { createCampaign } from './create-campaign.ts'
import { deleteDraft } from './delete-draft.ts'
import { getCampaign } from './get-campaign.ts'
import { listCampaigns } from './list-campaigns.ts'
import { listRecipients } from './list-recipients.ts'
import { pauseCampaign } from './pause-campaign.ts'
import { recordStatuses } from './record-statuses.ts'
import { resendUnknown } from './resend-unknown.ts'
import { resumeCampaign } from './resume-campaign.ts'
import { startCampaign } from './start-campaign.ts'
import { updateDraft } from './update-draft.ts'

export const methods = {
  cancelCampaign,
  createCampaign,
  deleteDraft,
  updateDraft,
  getCampaign,
  listCampaigns,
  listRecipients,
  pauseCampaign,
  recordStatuses,
  resendUnknown,
  resumeCampaign,
  startCampaign,
}

export const callers = {
  cancelCampaign: ['api'],
  createCampaign: ['api'],
  deleteDraft: ['api'],
  updateDraft: ['api'],
  getCampaign: ['api'],
  listCampaigns: ['api'],
  listRecipients: ['api'],
  pauseCampaign: ['api'],
  recordStatuses: ['conversations'],
  resendUnknown: ['api'],
  resumeCampaign: ['api'],
  startCampaign: ['api'],
} as const

/** Statuses of one set are of many accounts. */
export const acrossAccounts = ['recordStatuses'] as const
