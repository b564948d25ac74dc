import type { Route } from '../route.ts'
import { cancelCampaign } from './cancel-campaign.ts'
import { getConsentRules, setConsentRules } from './consent-rules.ts'
import { getContactSettings, setContactSettings } from './contact-settings.ts'
import { countInbound } from './count-inbound.ts'
import { createApp } from './create-app.ts'
import { createCampaign } from './create-campaign.ts'
import { createConnection } from './create-connection.ts'
import { createContactImport } from './create-contact-import.ts'
import { disconnect } from './disconnect.ts'
import { getCampaign } from './get-campaign.ts'
import { getContact } from './get-contact.ts'
import { getContactImport } from './get-contact-import.ts'
import { getTemplateSync } from './get-template-sync.ts'
import { listAccountEvents } from './list-account-events.ts'
import { listCampaigns } from './list-campaigns.ts'
import { listConnections } from './list-connections.ts'
import { listContacts } from './list-contacts.ts'
import { listConversations } from './list-conversations.ts'
import { listImportErrors } from './list-import-errors.ts'
import { listMessages } from './list-messages.ts'
import { listRecipients } from './list-recipients.ts'
import { listTemplates } from './list-templates.ts'
import { pauseCampaign } from './pause-campaign.ts'
import { recordConsent } from './record-consent.ts'
import { replaceToken } from './replace-token.ts'
import { resendUnknown } from './resend-unknown.ts'
import { resumeCampaign } from './resume-campaign.ts'
import { setConnectionLimits } from './set-connection-limits.ts'
import { startCampaign } from './start-campaign.ts'
import { startTemplateSync } from './start-template-sync.ts'

/** Every request of the public API, in the order of the main job. */
export const routes: readonly Route[] = [
  createApp,
  createConnection,
  listConnections,
  setConnectionLimits,
  replaceToken,
  disconnect,
  listAccountEvents,
  startTemplateSync,
  getTemplateSync,
  listTemplates,
  getContactSettings,
  setContactSettings,
  createContactImport,
  getContactImport,
  listImportErrors,
  listContacts,
  getContact,
  recordConsent,
  getConsentRules,
  setConsentRules,
  createCampaign,
  listCampaigns,
  getCampaign,
  startCampaign,
  pauseCampaign,
  resumeCampaign,
  cancelCampaign,
  resendUnknown,
  listRecipients,
  listConversations,
  listMessages,
  countInbound,
]
