import { checkSendable } from './check-sendable.ts'
import { getConsentRules, setConsentRules } from './consent-rules.ts'
import { getContactSettings, setContactSettings } from './contact-settings.ts'
import { getContact, listContacts } from './contacts.ts'
import { createImport } from './create-import.ts'
import { getImport, listImportErrors } from './imports.ts'
import { recordConsent } from './record-consent.ts'
import { recordInbound } from './record-inbound.ts'
import { recordRefusals } from './record-refusals.ts'
import { streamAudience } from './stream-audience.ts'

export const methods = {
  checkSendable,
  createImport,
  getConsentRules,
  getContact,
  getContactSettings,
  getImport,
  listContacts,
  listImportErrors,
  recordConsent,
  recordInbound,
  recordRefusals,
  setConsentRules,
  setContactSettings,
  streamAudience,
}

export const callers = {
  checkSendable: ['campaigns'],
  createImport: ['api'],
  getConsentRules: ['api'],
  getContact: ['api'],
  getContactSettings: ['api'],
  getImport: ['api'],
  listContacts: ['api'],
  listImportErrors: ['api'],
  recordConsent: ['api'],
  recordInbound: ['conversations'],
  recordRefusals: ['campaigns', 'conversations'],
  setConsentRules: ['api'],
  setContactSettings: ['api'],
  streamAudience: ['campaigns'],
} as const

/** People of one set are of many accounts. */
export const acrossAccounts = ['recordInbound', 'recordRefusals'] as const
