import type { NamedRoute, Route } from '../route.ts'
import { listAccountEvents } from './account-events.ts'
import { createApiKey, listApiKeys, rotateApiKey, withdrawApiKey } from './api-keys.ts'
import { createApp, getApp, listApps, rotateAppSecret, updateApp } from './apps.ts'
import { listAuditLog } from './audit-log.ts'
import {
  cancelCampaign,
  createCampaign,
  deleteDraft,
  getCampaign,
  listCampaigns,
  listRecipients,
  pauseCampaign,
  resendUnknown,
  resumeCampaign,
  startCampaign,
} from './campaigns.ts'
import {
  createConnection,
  disconnect,
  getConnection,
  listConnections,
  renameConnection,
  replaceToken,
  setConnectionLimits,
} from './connections.ts'
import { createContactImport, getContactImport, listImportErrors } from './contact-imports.ts'
import {
  getConsentRules,
  getContact,
  getContactSettings,
  listContacts,
  recordConsent,
  setConsentRules,
  setContactSettings,
} from './contacts.ts'
import { countInbound, listConversations, listMessages } from './conversations.ts'
import { listEvents } from './events.ts'
import {
  acceptInvitation,
  createInvitation,
  listInvitations,
  withdrawInvitation,
} from './invitations.ts'
import { listMembers, removeMember, setMemberRole } from './members.ts'
import {
  changePassword,
  createPasswordReset,
  requestPasswordReset,
  resetPassword,
} from './passwords.ts'
import { createRole, deleteRole, listRoles, updateRole } from './roles.ts'
import {
  confirmSecondFactor,
  disableSecondFactor,
  getSecondFactor,
  resetSecondFactor,
  startSecondFactor,
} from './second-factors.ts'
import {
  endSession,
  endSessions,
  finishSignIn,
  getMe,
  listSessions,
  signIn,
  signOut,
} from './sessions.ts'
import { getTemplate, getTemplateSync, listTemplates, startTemplateSync } from './templates.ts'
import {
  createWebhookEndpoint,
  deleteWebhookEndpoint,
  enableWebhookEndpoint,
  getWebhookEndpoint,
  listWebhookDeliveries,
  listWebhookEndpoints,
  replayWebhooks,
  rotateWebhookSecret,
  testWebhookEndpoint,
  updateWebhookEndpoint,
} from './webhook-endpoints.ts'

/** Every request of the public API by its name, in the order of the main job. */
const byName: Readonly<Record<string, Route>> = {
  createApp,
  listApps,
  getApp,
  updateApp,
  rotateAppSecret,
  createConnection,
  listConnections,
  getConnection,
  renameConnection,
  setConnectionLimits,
  replaceToken,
  disconnect,
  listAccountEvents,
  startTemplateSync,
  getTemplateSync,
  listTemplates,
  getTemplate,
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
  deleteDraft,
  startCampaign,
  pauseCampaign,
  resumeCampaign,
  cancelCampaign,
  resendUnknown,
  listRecipients,
  listConversations,
  listMessages,
  countInbound,
  listEvents,
  createWebhookEndpoint,
  listWebhookEndpoints,
  getWebhookEndpoint,
  updateWebhookEndpoint,
  enableWebhookEndpoint,
  rotateWebhookSecret,
  testWebhookEndpoint,
  replayWebhooks,
  listWebhookDeliveries,
  deleteWebhookEndpoint,
  createApiKey,
  listApiKeys,
  rotateApiKey,
  withdrawApiKey,
  signIn,
  finishSignIn,
  signOut,
  getMe,
  listSessions,
  endSession,
  endSessions,
  changePassword,
  getSecondFactor,
  startSecondFactor,
  confirmSecondFactor,
  disableSecondFactor,
  createInvitation,
  listInvitations,
  withdrawInvitation,
  acceptInvitation,
  createPasswordReset,
  requestPasswordReset,
  resetPassword,
  listMembers,
  setMemberRole,
  resetSecondFactor,
  removeMember,
  listRoles,
  createRole,
  updateRole,
  deleteRole,
  listAuditLog,
}

export const routes: readonly NamedRoute[] = Object.entries(byName).map(([name, route]) => ({
  ...route,
  name,
}))
