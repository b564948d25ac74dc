import type { Tenant } from '@lockstep/testing/system'
import { oneContactRows } from '../identity-rows.ts'
import { deliverMessages } from '../inbound.ts'
import { duplicates } from '../scenario.ts'
import type { Race } from '../system.ts'
import { pathGuard } from './path-guard.ts'

const from = '4915120000777'

/** A file, a message and a request of the API that name one person, at the same time. */
async function nameAtOnce(race: Race, tenant: Tenant): Promise<void> {
  const { contacts } = race.system.clients
  await contacts.createImport(upload(), tenant)
  const written = { tenant, messages: [{ wamid: `wamid.${crypto.randomUUID()}`, from }] }
  const request = { phone: `+${from}`, name: 'From the API' }
  await Promise.allSettled([
    race.go('contacts.import', tenant.accountId),
    deliverMessages(race, written, written.messages).then(() =>
      race.go('webhooks.message', tenant.phoneNumberId),
    ),
    ...[1, 2].map(() => contacts.createContact(request, tenant)),
  ])
}

async function* upload() {
  yield { fileName: 'people.csv', chunk: Buffer.from(`name,phone\nFrom a file,+${from}\n`) }
}

export const oneContact = pathGuard<Tenant>({
  name: 'one contact of a person',
  work: {
    slow: [{ table: 'contacts.contacts', on: 'insert', seconds: 0.3 }],
    prepare: ({ system }) => system.addTenant(),
    collide: nameAtOnce,
    conflicts: (race, { accountId }) =>
      duplicates(race, 'contacts.contacts', 'phone', 'account_id = $1 and merged_into is null', [
        accountId,
      ]),
  },
  taken: { is: 'unique identity', ...oneContactRows },
  beside: {},
  wrong: 'a file, a message and the API make a contact each of one person',
})

interface Stopped {
  tenant: Tenant
  contactId: string
}

/** Somebody who said stop is forgotten while they are named again. */
export const forgottenStaysForgotten = pathGuard<Stopped>({
  name: 'a forgotten contact is written to no more',
  work: {
    slow: [{ table: 'contacts.contacts', on: 'update', seconds: 0.3 }],
    async prepare({ system }) {
      const tenant = await system.addTenant()
      const { contacts } = system.clients
      const { contact } = await contacts.createContact({ phone: `+${from}`, name: 'Ana' }, tenant)
      const contactId = contact!.id
      await contacts.recordConsent({ contactId, kind: 'opt_out', evidence: 'said so' }, tenant)
      return { tenant, contactId }
    },
    async collide(race, { tenant, contactId }) {
      const { contacts } = race.system.clients
      await Promise.all([
        contacts.forgetContact({ id: contactId }, tenant),
        nameAtOnce(race, tenant),
      ])
    },
    async conflicts({ sql }, { tenant, contactId }) {
      const rows = await sql<{ problem: string }>(
        `select 'something of a forgotten contact is left' as problem from contacts.contacts
         where id = $1 and (name <> '' or phone <> '' or wa_id <> '' or last_inbound_at is not null
           or last_import_id is not null)
         union all
         select 'a forgotten person who had said stop may be written to' from contacts.contacts
         where account_id = $2 and phone = $3 and not opted_out`,
        [contactId, tenant.accountId, from],
      )
      return rows.map(({ problem }) => problem)
    },
  },
  taken: {
    is: 'whoever waited for a contact that was forgotten meanwhile begins anew',
    statements: [
      { in: 'full join locked l', replace: 'l.forgotten_at is not null as', by: 'false as' },
    ],
  },
  beside: {
    'check of the row': {
      is: 'a forgotten contact is in no list',
      drop: ['alter table contacts.contacts drop constraint contacts_forgotten'],
      restore: [
        'update contacts.contacts set archived_at = now() where forgotten_at is not null and archived_at is null',
        'alter table contacts.contacts add constraint contacts_forgotten check (forgotten_at is null or archived_at is not null)',
      ],
    },
  },
  wrong: 'what is said of somebody is written into the row of whom nothing may be kept',
})
