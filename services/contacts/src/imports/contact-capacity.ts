import { AppError } from '@lockstep/contracts'
import type { Tx } from '@lockstep/database'
import { maxAttributesLength, maxTags, maxTotalTagsLength } from '../contact-limits.ts'
import { tagsOf } from '../db/contact-tags.ts'
import { attributeLengths } from '../db/contacts.ts'

const limitOf = (limit: number) => limit.toLocaleString('en')
const reasons = {
  attributes:
    `The contact would carry more than ${limitOf(maxAttributesLength)} characters of attributes ` +
    'with those it has: leave some out',
  tags:
    `The contact would carry more than ${limitOf(maxTags)} tags, or more than ` +
    `${limitOf(maxTotalTagsLength)} characters of them, with those it has: leave some out`,
}

/** What a row adds to a contact. */
interface Addition {
  contactId: string
  attributes?: Record<string, string>
  tags?: string[]
}

/** What a contact carries so far, and how long it is. */
interface Load {
  attributes: Map<string, number>
  attributesLength: number
  tags: Set<string>
  tagsLength: number
}

/** Additions, in their order, that would give a locked contact more than it may carry, and why. */
export async function findOverCapacity<A extends Addition>(
  tx: Tx,
  additions: readonly A[],
  newContacts: ReadonlySet<string>,
): Promise<Map<A, string>> {
  const refused = new Map<A, string>()
  const loads = await readLoads(
    tx,
    additions.filter(({ contactId }) => !newContacts.has(contactId)),
  )
  for (const addition of additions) {
    const load = loads.get(addition.contactId) ?? loadOf({}, [])
    loads.set(addition.contactId, load)
    const reason = add(load, addition)
    if (reason) refused.set(addition, reason)
  }
  return refused
}

/** Throws `invalid` when a locked contact would carry more than it may with an addition. */
export async function requireCapacity(
  tx: Tx,
  addition: Addition,
  newContacts: ReadonlySet<string>,
): Promise<void> {
  const reason = (await findOverCapacity(tx, [addition], newContacts)).get(addition)
  if (reason) throw new AppError('invalid', reason)
}

function loadOf(lengths: Record<string, number>, tags: readonly string[]): Load {
  return {
    attributes: new Map(Object.entries(lengths)),
    attributesLength: Object.values(lengths).reduce((sum, length) => sum + length, 0),
    tags: new Set(tags),
    tagsLength: tags.reduce((sum, tag) => sum + tag.length, 0),
  }
}

/** Adds to a load in time proportional to the addition, or answers why it is too much. */
function add(load: Load, { attributes = {}, tags = [] }: Addition): string | undefined {
  const lengths = Object.entries(attributes).map(
    ([name, value]) => [name, name.length + value.length] as const,
  )
  const attributesGrow = lengths.reduce(
    (sum, [name, length]) => sum + length - (load.attributes.get(name) ?? 0),
    0,
  )
  if (attributesGrow > 0 && load.attributesLength + attributesGrow > maxAttributesLength)
    return reasons.attributes
  const newTags = tags.filter((tag) => !load.tags.has(tag))
  const tagsGrow = newTags.reduce((sum, tag) => sum + tag.length, 0)
  if (
    newTags.length > 0 &&
    (load.tags.size + newTags.length > maxTags || load.tagsLength + tagsGrow > maxTotalTagsLength)
  )
    return reasons.tags
  for (const [name, length] of lengths) load.attributes.set(name, length)
  for (const tag of newTags) load.tags.add(tag)
  load.attributesLength += attributesGrow
  load.tagsLength += tagsGrow
  return undefined
}

/** What contacts carry, as far as something is added to it. */
async function readLoads(tx: Tx, additions: readonly Addition[]): Promise<Map<string, Load>> {
  const ids = [...new Set(additions.map(({ contactId }) => contactId))]
  const addsTags = additions.some(({ tags }) => tags?.length)
  const addsAttributes = additions.some(
    ({ attributes }) => attributes && Object.keys(attributes).length > 0,
  )
  const tags = addsTags ? await tagsOf(tx, ids) : new Map<string, string[]>()
  const lengths = addsAttributes
    ? await attributeLengths(tx, ids)
    : new Map<string, Record<string, number>>()
  return new Map(ids.map((id) => [id, loadOf(lengths.get(id) ?? {}, tags.get(id) ?? [])]))
}
