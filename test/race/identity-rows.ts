import type { Guard } from './scenario.ts'

/** The key that lets a person be one contact only, and what gives it back. */
export const oneContactRows = {
  statements: [
    {
      in: 'insert into identities',
      replace: String.raw`order by account_id, namespace, match_key\s+on conflict \(account_id, namespace, match_key\) do nothing`,
      by: 'where not exists (select from identities i where i.account_id = v.account_id and i.namespace = v.namespace and i.match_key = v.match_key)',
    },
  ],
  drop: ['alter table contacts.identities drop constraint identities_pkey'],
  restore: [
    'truncate contacts.identities, contacts.contacts, contacts.contact_tags, contacts.imports, contacts.import_chunks, contacts.import_errors',
    'alter table contacts.identities add primary key (account_id, namespace, match_key)',
  ],
} satisfies Partial<Guard>
