import { query, sql, type Tx } from '@lockstep/database'
import { maxAttributesLength } from '../text.ts'

/** What is known about a contact; what is left out stays as it is. */
export interface Facts {
  contactId: string
  name?: string
  phone?: string
  waId?: string
  userId?: string
  /** When Meta named the person by these ids. Without it they only fill what is empty. */
  namedAt?: Date
  /** The person changed to this phone then; otherwise a phone only fills what is empty. */
  changedPhone?: boolean
  tags?: string[]
  attributes?: Record<string, string>
  lastInboundAt?: Date
  importId?: string
}

/** Of two ids the one that was named later stays; of one moment the greater, so that any order ends the same. */
const newest = (id: string) => {
  const [column, at] = [sql.ref(id), sql.ref(`${id}_at`)]
  const [mine, its] = [sql`c.${column}`, sql`excluded.${column}`]
  return sql`${column} = case when ${its} <> '' and (${mine} = ''
      or (excluded.${at}, ${its}) > (coalesce(c.${at}, '-infinity'), ${mine})) then ${its} else ${mine} end,
    ${at} = greatest(c.${at}, excluded.${at})`
}

/**
 * Makes contacts and adds to existing ones, which the caller has locked: empty fields are filled, tags united, attributes
 * merged, the source stays. An id gives way to one that the person was named by later.
 */
export async function writeFacts(tx: Tx, source: string, facts: Facts[]): Promise<void> {
  if (facts.length === 0) return
  await sql`insert into contacts as c
      (id, account_id, name, phone, phone_at, wa_id, wa_id_at, user_id, user_id_at, tags, attributes, source, last_inbound_at, last_import_id)
    select v.id, ${tx.accountId}::uuid, v.name, v.phone, v.phone_at, v.wa_id, v.wa_id_at, v.user_id, v.user_id_at, v.tags, v.attributes,
      ${source}, v.last_inbound_at, v.import_id
    from jsonb_to_recordset(${JSON.stringify(mergeFacts(facts))}::jsonb) as v(id uuid, name text, phone text, phone_at timestamptz,
      wa_id text, wa_id_at timestamptz, user_id text, user_id_at timestamptz, tags text[], attributes jsonb, last_inbound_at timestamptz,
      import_id uuid)
    order by v.id
    on conflict (id) do update set
      name = case when c.name = '' then excluded.name else c.name end,
      ${newest('phone')}, ${newest('wa_id')}, ${newest('user_id')},
      tags = case when c.tags @> excluded.tags then c.tags
                  else array(select distinct t from unnest(c.tags || excluded.tags) t order by t) end,
      attributes = c.attributes || excluded.attributes,
      last_inbound_at = greatest(c.last_inbound_at, excluded.last_inbound_at),
      last_import_id = coalesce(excluded.last_import_id, c.last_import_id),
      updated_at = now()`.execute(tx.sql)
}

/**
 * Which of these facts, in their order, would give their contact more attributes than it may carry; the caller has locked the
 * contacts and leaves those facts out. A contact that is past the limit may be written to as long as it does not grow.
 */
export async function overfull(tx: Tx, facts: Facts[]): Promise<Set<Facts>> {
  const refused = new Set<Facts>()
  const carried = await attributesOf(
    tx,
    facts.map((fact) => fact.contactId),
  )
  for (const fact of facts) {
    const before = carried.get(fact.contactId)
    const after = { ...before, ...fact.attributes }
    const length = lengthOf(after)
    if (length > maxAttributesLength && length > lengthOf(before)) refused.add(fact)
    else carried.set(fact.contactId, after)
  }
  return refused
}

async function attributesOf(tx: Tx, ids: string[]): Promise<Map<string, Record<string, string>>> {
  const rows = await query<{ id: string; attributes: Record<string, string> }>(
    tx,
    sql`select id, attributes from contacts where id = any(${ids}::uuid[]) and account_id = ${tx.accountId}::uuid and attributes <> '{}'`,
  )
  return new Map(rows.map((row) => [row.id, row.attributes]))
}

const lengthOf = (attributes: Record<string, string> = {}): number =>
  Object.entries(attributes).reduce((sum, [name, value]) => sum + name.length + value.length, 0)

interface FactsRow {
  id: string
  name: string
  phone: string
  phone_at: Date | null
  wa_id: string
  wa_id_at: Date | null
  user_id: string
  user_id_at: Date | null
  tags: string[]
  attributes: Record<string, string>
  last_inbound_at: Date | null
  import_id: string | null
}

/** One row a contact, by the rules of the statement: the earlier name fills, the later named id stays. */
function mergeFacts(facts: Facts[]): FactsRow[] {
  const rows = new Map<string, FactsRow>()
  for (const fact of facts) {
    const row = rows.get(fact.contactId)
    const { namedAt = null, changedPhone } = fact
    const [phone, phone_at] = later(row?.phone, row?.phone_at, fact.phone, changedPhone ? namedAt : null)
    const [wa_id, wa_id_at] = later(row?.wa_id, row?.wa_id_at, fact.waId, namedAt)
    const [user_id, user_id_at] = later(row?.user_id, row?.user_id_at, fact.userId, namedAt)
    const inbound = [row?.last_inbound_at, fact.lastInboundAt].flatMap((at) => at?.getTime() ?? [])
    rows.set(fact.contactId, {
      id: fact.contactId,
      name: row?.name || fact.name || '',
      phone,
      phone_at,
      wa_id,
      wa_id_at,
      user_id,
      user_id_at,
      tags: [...new Set([...(row?.tags ?? []), ...(fact.tags ?? [])])],
      attributes: { ...row?.attributes, ...fact.attributes },
      last_inbound_at: inbound.length > 0 ? new Date(Math.max(...inbound)) : null,
      import_id: fact.importId ?? row?.import_id ?? null,
    })
  }
  return [...rows.values()]
}

function later(
  id: string | undefined,
  at: Date | null | undefined,
  otherId: string | undefined,
  otherAt: Date | null,
): [id: string, at: Date | null] {
  if (!otherId) return [id ?? '', at ?? null]
  const wins = !id || (otherAt !== null && (!at || otherAt > at || (otherAt.getTime() === at.getTime() && otherId > id)))
  return wins ? [otherId, otherAt] : [id, at ?? null]
}
