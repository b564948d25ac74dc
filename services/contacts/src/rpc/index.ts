import { createAttribute, deleteAttribute, listAttributes, updateAttribute } from './attributes.ts'
import { checkSendable } from './check-sendable.ts'
import { getConsentRules, setConsentRules } from './consent-rules.ts'
import { getContactSettings, setContactSettings } from './contact-settings.ts'
import { countContacts, getContact, listContacts } from './contacts.ts'
import { createContact } from './create-contact.ts'
import { createImport } from './create-import.ts'
import { archiveContact, forgetContact } from './end-contact.ts'
import { getImport, listImportErrors } from './imports.ts'
import { recordConsent } from './record-consent.ts'
import { recordInbound } from './record-inbound.ts'
import { recordRefusals } from './record-refusals.ts'
import { countSecrets, resealSecrets } from './reseal-secrets.ts'
import { streamAudience } from './stream-audience.ts'
import { updateContact } from './update-contact.ts'

export const methods = {
  archiveContact,
  checkSendable,
  countContacts,
  createAttribute,
  createContact,
  createImport,
  deleteAttribute,
  forgetContact,
  getConsentRules,
  getContact,
  getContactSettings,
  getImport,
  listAttributes,
  listContacts,
  listImportErrors,
  recordConsent,
  recordInbound,
  recordRefusals,
  countSecrets,
  resealSecrets,
  setConsentRules,
  setContactSettings,
  streamAudience,
  updateAttribute,
  updateContact,
}

export const callers = {
  archiveContact: ['api'],
  checkSendable: ['campaigns'],
  countContacts: ['api'],
  createAttribute: ['api'],
  createContact: ['api'],
  createImport: ['api'],
  deleteAttribute: ['api'],
  forgetContact: ['api'],
  getConsentRules: ['api'],
  getContact: ['api'],
  getContactSettings: ['api'],
  getImport: ['api'],
  listAttributes: ['api'],
  listContacts: ['api'],
  listImportErrors: ['api'],
  recordConsent: ['api'],
  recordInbound: ['conversations'],
  recordRefusals: ['campaigns', 'conversations'],
  countSecrets: ['operator'],
  resealSecrets: ['operator'],
  setConsentRules: ['api'],
  setContactSettings: ['api'],
  streamAudience: ['campaigns'],
  updateAttribute: ['api'],
  updateContact: ['api'],
} as const

/** People of one set are of many accounts, and an operator seals for all. */
export const acrossAccounts = [
  'countSecrets',
  'recordInbound',
  'recordRefusals',
  'resealSecrets',
] as const
