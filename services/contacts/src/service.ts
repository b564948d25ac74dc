import { ContactsDefinition } from '@lockstep/rpc/gen/contacts'
import { defineService } from '@lockstep/service'
import { config } from './config.ts'
import { open } from './context.ts'
import { entities } from './db/entities.ts'
import { migrations } from './db/migrations.ts'
import { dropAbandonedUploads, dropEveryMs } from './jobs/drop-abandoned-uploads.ts'
import { forgetConsents, forgetImports } from './jobs/forget-old.ts'
import { indexAttributeValues, indexEveryMs } from './jobs/index-attributes.ts'
import { updateIdentities } from './lanes/identity-updates.ts'
import { importContacts } from './lanes/import.ts'
import { acrossAccounts, callers, methods } from './rpc/index.ts'
import { times } from './times.ts'

export const contactsService = defineService({
  name: 'contacts',
  config,
  migrations,
  entities,
  times,
  open,
  rpc: { definition: ContactsDefinition, methods, callers, acrossAccounts },
  lanes: { 'contacts.import': importContacts, 'contacts.identity-updates': updateIdentities },
  jobs: {
    'drop-abandoned-uploads': [dropEveryMs, dropAbandonedUploads],
    'index-attributes': [indexEveryMs, indexAttributeValues],
  },
  retention: { 'forget-imports': forgetImports, 'forget-consents': forgetConsents },
})
