import { sql, type Tx } from '@lockstep/database'
import { rowset } from './rowset.ts'
import { insertTags } from './tags.ts'

/** What is known about a contact; what is left out stays as it is. */
export interface Facts {
  accountId: string
  contactId: string
  /** As the account calls the person, for one that it has not named yet. */
  name?: string
  /** As the person calls themselves: the contact's name follows it until the account gives one. */
  profileName?: string
  username?: string
  phone?: string
  waId?: string
  userId?: string
  /** When Meta named the person by these names and ids. Without it they only fill what is empty. */
  namedAt?: Date
  /** The person changed to this phone then; otherwise a phone only fills what is empty. */
  changedPhone?: boolean
  tags?: string[]
  attributes?: Record<string, string>
  lastInboundAt?: Date
  importId?: string
}

const columns = `id uuid, account_id uuid, name text, profile_name text, profile_name_at timestamptz, username text, username_at timestamptz, phone text, phone_at timestamptz, wa_id text, wa_id_at timestamptz, user_id text,
  user_id_at timestamptz, attributes jsonb, last_inbound_at timestamptz, import_id uuid`

/** Of two names or ids the one that was named later stays; of one moment the greater, so that any order ends the same. */
const newest = (id: string) => {
  const [column, at] = [sql.ref(id), sql.ref(`${id}_at`)]
  return sql`${column} = case when ${isNewer(id)} then v.${column} else c.${column} end, ${at} = greatest(c.${at}, v.${at})`
}

function isNewer(id: string) {
  const [column, at] = [sql.ref(id), sql.ref(`${id}_at`)]
  return sql`(v.${column} <> '' and (c.${column} = '' or (v.${at}, v.${column}) > (coalesce(c.${at}, '-infinity'), c.${column})))`
}

/**
 * Makes the contacts that `created` names and adds to the others, which the caller has locked: empty fields are filled, a name also
 * where there is only the person's own, tags united, attributes merged, the source stays. An id gives way to one that the person was named by later.
 */
export async function writeFacts(
  tx: Tx,
  source: string,
  facts: Facts[],
  created: ReadonlySet<string>,
): Promise<void> {
  const rows = mergeFacts(facts)
  await insertContacts(
    tx,
    source,
    rows.filter((row) => created.has(row.id)),
  )
  await updateContacts(
    tx,
    rows.filter((row) => !created.has(row.id)),
  )
  await insertTags(tx, facts)
}

async function insertContacts(tx: Tx, source: string, rows: FactsRow[]): Promise<void> {
  if (rows.length === 0) return
  await sql`insert into contacts
      (id, account_id, name, profile_name, profile_name_at, username, username_at, phone, phone_at, wa_id, wa_id_at, user_id, user_id_at, attributes, source, last_inbound_at, last_import_id)
    select v.id, v.account_id, coalesce(nullif(v.name, ''), v.profile_name, ''), coalesce(v.profile_name, ''), v.profile_name_at,
      coalesce(v.username, ''), v.username_at, coalesce(v.phone, ''), v.phone_at, coalesce(v.wa_id, ''), v.wa_id_at,
      coalesce(v.user_id, ''), v.user_id_at, coalesce(v.attributes, '{}'), ${source}, v.last_inbound_at, v.import_id
    from ${rowset(rows, columns)}`.execute(tx.sql)
}

async function updateContacts(tx: Tx, rows: FactsRow[]): Promise<void> {
  if (rows.length === 0) return
  await sql`update contacts c set
      name = case when c.name in ('', c.profile_name) and v.name <> '' then v.name
        when c.name in ('', c.profile_name) and ${isNewer('profile_name')} then v.profile_name else c.name end,
      ${newest('profile_name')}, ${newest('username')}, ${newest('phone')}, ${newest('wa_id')}, ${newest('user_id')},
      attributes = case when v.attributes is null then c.attributes else c.attributes || v.attributes end,
      last_inbound_at = greatest(c.last_inbound_at, v.last_inbound_at),
      last_import_id = coalesce(v.import_id, c.last_import_id),
      updated_at = now()
    from ${rowset(rows, columns)} where c.id = v.id and c.account_id = v.account_id`.execute(tx.sql)
}

interface FactsRow {
  id: string
  account_id: string
  name?: string
  profile_name?: string
  profile_name_at?: Date
  username?: string
  username_at?: Date
  phone?: string
  phone_at?: Date
  wa_id?: string
  wa_id_at?: Date
  user_id?: string
  user_id_at?: Date
  attributes?: Record<string, string>
  last_inbound_at?: Date
  import_id?: string
}

/** One row a contact, by the rules of the statement: the earlier name fills, the later named id stays. */
function mergeFacts(facts: Facts[]): FactsRow[] {
  const rows = new Map<string, FactsRow>()
  for (const fact of facts) {
    let row = rows.get(fact.contactId)
    if (!row) {
      row = { id: fact.contactId, account_id: fact.accountId }
      rows.set(fact.contactId, row)
    }
    row.name ||= fact.name
    nameLater(row, 'profile_name', fact.profileName, fact.namedAt)
    nameLater(row, 'username', fact.username, fact.namedAt)
    nameLater(row, 'phone', fact.phone, fact.changedPhone ? fact.namedAt : undefined)
    nameLater(row, 'wa_id', fact.waId, fact.namedAt)
    nameLater(row, 'user_id', fact.userId, fact.namedAt)
    if (fact.attributes) row.attributes = Object.assign(row.attributes ?? {}, fact.attributes)
    if (fact.lastInboundAt && !(row.last_inbound_at && row.last_inbound_at > fact.lastInboundAt))
      row.last_inbound_at = fact.lastInboundAt
    row.import_id = fact.importId ?? row.import_id
  }
  return [...rows.values()]
}

function nameLater(
  row: FactsRow,
  column: 'profile_name' | 'username' | 'phone' | 'wa_id' | 'user_id',
  id: string | undefined,
  at: Date | undefined,
): void {
  if (!id) return
  const [before, beforeAt] = [row[column], row[`${column}_at`]]
  const wins =
    !before ||
    (at && (!beforeAt || at > beforeAt || (at.getTime() === beforeAt.getTime() && id > before)))
  if (!wins) return
  row[column] = id
  row[`${column}_at`] = at
}
