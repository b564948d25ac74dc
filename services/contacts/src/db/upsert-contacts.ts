import type { ContactSource } from '@lockstep/contracts'
import { rowset, sql, type Tx } from '@lockstep/database'
import { insertTags } from './contact-tags.ts'
import { indexValues } from './contact-values.ts'

/** What is known about a contact, without what stays as it is. */
export interface ContactFields {
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
  /** The person changed to this phone at `namedAt`, or else it only fills what is empty. */
  changedPhone?: boolean
  /** These three fill what is empty. */
  email?: string
  language?: string
  timeZone?: string
  /** An archived contact is in the lists again. */
  revives?: boolean
  tags?: string[]
  attributes?: Record<string, string>
  lastInboundAt?: Date
  importId?: string
}

/** The later of two values stays, of one moment the greater, so that any order ends the same. */
const latest = (id: string) => {
  const [column, at] = [sql.ref(id), sql.ref(`${id}_at`)]
  return sql`${column} = case when ${isLater(id)} then v.${column} else c.${column} end,
    ${at} = greatest(c.${at}, v.${at})`
}

const filled = (id: string) => {
  const column = sql.ref(id)
  return sql`${column} = coalesce(nullif(c.${column}, ''), v.${column}, '')`
}

function isLater(id: string) {
  const [column, at] = [sql.ref(id), sql.ref(`${id}_at`)]
  return sql`(v.${column} <> '' and (c.${column} = ''
    or (v.${at}, v.${column}) > (coalesce(c.${at}, '-infinity'), c.${column})))`
}

/** Makes new contacts and adds to locked ones, which keep what the account has given them. */
export async function upsertContacts(
  tx: Tx,
  source: ContactSource,
  fields: readonly ContactFields[],
  newContacts: ReadonlySet<string>,
): Promise<void> {
  const { created = [], known = [] } = Object.groupBy(mergeFields(fields), ({ id }) =>
    newContacts.has(id) ? 'created' : 'known',
  )
  await insertContacts(tx, source, created)
  await updateContacts(tx, known)
  await insertTags(tx, fields)
  const written = [...created, ...known].filter(({ attributes }) => attributes)
  await indexValues(
    tx,
    written.map(({ id }) => id),
  )
}

async function insertContacts(tx: Tx, source: ContactSource, rows: FieldsRow[]): Promise<void> {
  if (rows.length === 0) return
  await sql`insert into contacts
      (id, account_id, name, profile_name, profile_name_at, username, username_at, phone, phone_at,
       wa_id, wa_id_at, user_id, user_id_at, email, language, time_zone, attributes, source, last_inbound_at, last_import_id)
    select v.id, v.account_id, coalesce(nullif(v.name, ''), v.profile_name, ''),
      coalesce(v.profile_name, ''), v.profile_name_at, coalesce(v.username, ''), v.username_at,
      coalesce(v.phone, ''), v.phone_at, coalesce(v.wa_id, ''), v.wa_id_at,
      coalesce(v.user_id, ''), v.user_id_at, coalesce(v.email, ''), coalesce(v.language, ''),
      coalesce(v.time_zone, ''), coalesce(v.attributes, '{}'), ${source},
      v.last_inbound_at, v.import_id
    from ${rowset(rows, columns)}`.execute(tx.sql)
}

async function updateContacts(tx: Tx, rows: FieldsRow[]): Promise<void> {
  if (rows.length === 0) return
  await sql`update contacts c set
      name = case when c.name in ('', c.profile_name) and v.name <> '' then v.name
        when c.name in ('', c.profile_name) and ${isLater('profile_name')} then v.profile_name
        else c.name end,
      ${latest('profile_name')}, ${latest('username')}, ${latest('phone')}, ${latest('wa_id')},
      ${latest('user_id')}, ${filled('email')}, ${filled('language')}, ${filled('time_zone')},
      archived_at = case when v.revives then null else c.archived_at end,
      attributes = case when v.attributes is null then c.attributes
        else c.attributes || v.attributes end,
      last_inbound_at = greatest(c.last_inbound_at, v.last_inbound_at),
      last_import_id = coalesce(v.import_id, c.last_import_id),
      updated_at = now()
    from ${rowset(rows, columns)} where c.id = v.id and c.account_id = v.account_id`.execute(tx.sql)
}

/** Fields that the first value stays in. */
const filledFields = ['name', 'email', 'language', 'timeZone'] as const
type FilledField = (typeof filledFields)[number]

/** Names and ids of which the later stays, each with its time. */
type DatedField = 'profileName' | 'username' | 'phone' | 'waId' | 'userId'

type FieldsRow = { id: string; accountId: string } & Pick<
  ContactFields,
  DatedField | FilledField | 'revives' | 'attributes' | 'lastInboundAt' | 'importId'
> & { [Field in DatedField as `${Field}At`]?: Date }

const columns = {
  id: 'uuid',
  accountId: 'uuid',
  name: 'text',
  profileName: 'text',
  profileNameAt: 'timestamptz',
  username: 'text',
  usernameAt: 'timestamptz',
  phone: 'text',
  phoneAt: 'timestamptz',
  waId: 'text',
  waIdAt: 'timestamptz',
  userId: 'text',
  userIdAt: 'timestamptz',
  email: 'text',
  language: 'text',
  timeZone: 'text',
  revives: 'boolean',
  attributes: 'jsonb',
  lastInboundAt: 'timestamptz',
  importId: 'uuid',
} as const

/** One row a contact, by the rules of the statement: the first name fills, the later id stays. */
function mergeFields(all: readonly ContactFields[]): FieldsRow[] {
  const rows = new Map<string, FieldsRow>()
  for (const fields of all) {
    const { contactId: id, accountId, namedAt, attributes, lastInboundAt } = fields
    const row = rows.get(id) ?? { id, accountId }
    rows.set(id, row)
    for (const field of filledFields) row[field] ||= fields[field]
    row.revives ||= fields.revives
    keepLater(row, 'profileName', fields.profileName, namedAt)
    keepLater(row, 'username', fields.username, namedAt)
    keepLater(row, 'phone', fields.phone, fields.changedPhone ? namedAt : undefined)
    keepLater(row, 'waId', fields.waId, namedAt)
    keepLater(row, 'userId', fields.userId, namedAt)
    if (attributes && Object.keys(attributes).length > 0)
      row.attributes = Object.assign(row.attributes ?? {}, attributes)
    if (lastInboundAt && !(row.lastInboundAt && row.lastInboundAt > lastInboundAt))
      row.lastInboundAt = lastInboundAt
    row.importId = fields.importId ?? row.importId
  }
  return [...rows.values()]
}

function keepLater(
  row: FieldsRow,
  field: DatedField,
  value: string | undefined,
  at: Date | undefined,
): void {
  if (!value) return
  const [before, beforeAt] = [row[field], row[`${field}At`]]
  const isLater =
    !before ||
    (at && (!beforeAt || at > beforeAt || (at.getTime() === beforeAt.getTime() && value > before)))
  if (!isLater) return
  row[field] = value
  row[`${field}At`] = at
}
