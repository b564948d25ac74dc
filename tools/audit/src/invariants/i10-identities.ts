import type { Invariant } from '../invariant.ts'

const values = `(values ('number', c.phone), ('number', c.wa_id), ('user_id', c.user_id))`

/** Rows of other services, and of contacts, that name a contact. */
const references = [
  { table: 'campaigns.recipients', key: 'id' },
  { table: 'conversations.conversations', key: 'id' },
  { table: 'conversations.messages', key: 'id' },
  { table: 'contacts.consents', key: 'id' },
] as const

const reference = ({ table, key }: (typeof references)[number]) => `
    select '${table} ' || t.${key} || case when c.id is null then ' names a contact that does not exist' else ' leads to no live contact' end,
           t.account_id, t.contact_id, null::uuid, null
    from ${table} t left join contacts.contacts c on c.id = t.contact_id
    where t.contact_id is not null and not exists (select from live where live.id = t.contact_id)`

/** Folding of numbers (Brazil's 9 and the like) is the identities' match key; their primary key allows one contact each. */
export const identities: Invariant = {
  id: 'I10',
  statement:
    'No two live contacts of an account have the same identity, and every reference to a contact leads to a live one.',
  means:
    'One person is two contacts, who may be written to twice and whose "stop" counts for one of them only; or rows point at nobody.',
  rows: 'afterLog',
  needs: 'rows',
  checked: `select (select count(*) from contacts.contacts) + (select count(*) from contacts.identities)
    ${references.map(({ table }) => `+ (select count(*) from ${table})`).join(' ')}`,
  violations: `
    with recursive live as (
      select id from contacts.contacts where merged_into is null
      union select c.id from contacts.contacts c join live on c.merged_into = live.id
    ), named as (
      select distinct c.id, c.account_id, v.namespace, v.value
      from contacts.contacts c cross join lateral ${values} v(namespace, value)
      where c.merged_into is null and v.value <> ''
    )
    select 'two live contacts with the same ' || a.namespace as problem, a.account_id, a.id as contact_id, b.id as other_contact_id, a.value as identity
    from named a join named b on b.account_id = a.account_id and b.namespace = a.namespace and b.value = a.value and b.id > a.id
    union all
    select 'identity of a contact that is not live', i.account_id, i.contact_id, c.merged_into, i.namespace || ' ' || i.match_key
    from contacts.identities i left join contacts.contacts c on c.id = i.contact_id
    where c.id is null or c.merged_into is not null
    union all
    select 'has a ' || n.namespace || ' and no identity for it', n.account_id, n.id, null, n.value
    from named n
    where not exists (select from contacts.identities i where i.contact_id = n.id and i.namespace = n.namespace)
    union all ${references.map(reference).join(' union all ')}`,
}
