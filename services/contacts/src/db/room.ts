import { query, sql, type Tx } from '@lockstep/database'
import { maxAttributesLength, maxTags, maxTotalTagsLength } from '../contact-limits.ts'
import type { Facts } from './facts.ts'
import { tagsOf } from './tags.ts'

const limitOf = (limit: number) => limit.toLocaleString('en')
const refusals = {
  attributes: `The contact would carry more than ${limitOf(maxAttributesLength)} characters of attributes with those it has: leave columns out`,
  tags: `The contact would carry more than ${limitOf(maxTags)} tags, or more than ${limitOf(maxTotalTagsLength)} characters of them, with those it has: leave tags out`,
}

/** What a contact carries so far, and how long it is. */
interface Load {
  attributes: Map<string, number>
  attributesLength: number
  tags: Set<string>
  tagsLength: number
}

/**
 * Which of these facts, in their order, would give their contact more attributes or tags than it may carry, and why; the caller has
 * locked the contacts and leaves those facts out. A contact that is past a limit may be written to as long as it does not grow.
 */
export async function overfull(
  tx: Tx,
  facts: Facts[],
  created: ReadonlySet<string>,
): Promise<Map<Facts, string>> {
  const refused = new Map<Facts, string>()
  const existing = facts.filter((fact) => !created.has(fact.contactId))
  const loads = await loadsOf(tx, existing)
  for (const fact of facts) {
    let load = loads.get(fact.contactId)
    if (!load) {
      load = { attributes: new Map(), attributesLength: 0, tags: new Set(), tagsLength: 0 }
      loads.set(fact.contactId, load)
    }
    const reason = add(load, fact)
    if (reason) refused.set(fact, reason)
  }
  return refused
}

/** Adds what a fact brings, in time proportional to that; adds nothing, and says why, when it is too much. */
function add(load: Load, { attributes = {}, tags = [] }: Facts): string | undefined {
  const lengths = Object.entries(attributes).map(
    ([name, value]) => [name, name.length + value.length] as const,
  )
  const attributesGrow = lengths.reduce(
    (sum, [name, length]) => sum + length - (load.attributes.get(name) ?? 0),
    0,
  )
  if (attributesGrow > 0 && load.attributesLength + attributesGrow > maxAttributesLength)
    return refusals.attributes
  const fresh = tags.filter((tag) => !load.tags.has(tag))
  const tagsGrow = fresh.reduce((sum, tag) => sum + tag.length, 0)
  if (
    fresh.length > 0 &&
    (load.tags.size + fresh.length > maxTags || load.tagsLength + tagsGrow > maxTotalTagsLength)
  )
    return refusals.tags
  for (const [name, length] of lengths) load.attributes.set(name, length)
  for (const tag of fresh) load.tags.add(tag)
  load.attributesLength += attributesGrow
  load.tagsLength += tagsGrow
  return undefined
}

/** What those contacts carry that facts would add to. */
async function loadsOf(tx: Tx, facts: Facts[]): Promise<Map<string, Load>> {
  const ids = [...new Set(facts.map((fact) => fact.contactId))]
  const tags = facts.some((fact) => fact.tags?.length)
    ? await tagsOf(tx, ids)
    : new Map<string, string[]>()
  const bring = facts.some((fact) => fact.attributes && Object.keys(fact.attributes).length > 0)
  const attributes = bring
    ? await attributeLengths(tx, ids)
    : new Map<string, Record<string, number>>()
  const loads = ids.flatMap((id) => {
    const [its, names] = [tags.get(id) ?? [], attributes.get(id) ?? {}]
    if (its.length === 0 && Object.keys(names).length === 0) return []
    const load: Load = {
      attributes: new Map(Object.entries(names)),
      attributesLength: Object.values(names).reduce((sum, length) => sum + length, 0),
      tags: new Set(its),
      tagsLength: its.reduce((sum, tag) => sum + tag.length, 0),
    }
    return [[id, load] as const]
  })
  return new Map(loads)
}

/** How long each attribute of contacts is, with its name; contacts without any are left out. */
async function attributeLengths(
  tx: Tx,
  ids: string[],
): Promise<Map<string, Record<string, number>>> {
  if (ids.length === 0) return new Map()
  const rows = await query<{ id: string; lengths: Record<string, number> }>(
    tx,
    sql`select c.id, (select jsonb_object_agg(a.key, length(a.key) + length(a.value)) from jsonb_each_text(c.attributes) a) as lengths
        from contacts c where c.id = any(${ids}::uuid[]) and c.account_id = any(${tx.accountIds}::uuid[]) and c.attributes <> '{}'`,
  )
  return new Map(rows.map((row) => [row.id, row.lengths]))
}
