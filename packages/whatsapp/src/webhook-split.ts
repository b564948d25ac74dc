import { type LaneName, laneKeyPattern } from '@lockstep/contracts'
import { isObject, type JsonObject, listOf, objectOf } from './json.ts'
import { type Change, changesOf, fieldRule, parseWebhook, phoneNumberIdOf, wabaIdOf } from './webhook.ts'

export interface LanePick {
  lane: LaneName
  key: string
}

export interface SplitOptions {
  /** The lane that the token of a status names, or undefined when it is none of ours: then the status goes to its number's lane. */
  verifyToken(phoneNumberId: string, token: unknown): LanePick | undefined
}

/** The elements of one body that wait in one lane. */
export interface Part {
  /** Null: nobody acts on it; it is kept raw and counted, for `reason`. */
  lane: LaneName | null
  key: string | null
  field: string | null
  elements: number
  /** A webhook body that holds only these elements; null when the part is the entire body, so that no byte is stored twice. */
  content: Buffer | null
  reason?: string
}

const maxElements = 500
const maxBytes = 256 * 1024

/**
 * Splits a body by lane: each element lands in exactly one part, in its order. A part holds at most 500 elements and 256 kB; more only
 * where a single element, or the contacts that each part keeps, alone are larger than that or half of it. Never throws.
 */
export function splitWebhook(raw: Buffer, options: SplitOptions): Part[] {
  const parsed = parseWebhook(raw)
  if ('unreadable' in parsed) return [{ lane: null, key: null, field: null, elements: 1, content: null, reason: parsed.unreadable }]
  const groups = new Map<string, Group>()
  for (const change of changesOf(parsed)) sortChange(groups, change, options)
  if (groups.size === 0) return [{ lane: null, key: null, field: null, elements: 0, content: null, reason: 'The body holds no elements' }]
  const [first] = groups.values()
  const small = first!.placed.length <= maxElements && raw.length <= maxBytes
  if (groups.size === 1 && small) return [partOf(first!, first!.placed.length, null)]
  const parts = [...groups.values()].flatMap((group) => writeParts(group, parsed.object))
  return parts.length === 1 ? [{ ...parts[0]!, content: null }] : parts
}

interface Group {
  lane: LaneName | null
  key: string | null
  field: string | null
  reason: string | undefined
  placed: Placed[]
}

/** An element where it stood: in the list `list` of its change's value, or (null) the change itself. */
interface Placed {
  change: Change
  list: string | null
  item: unknown
}

type Address = Pick<Group, 'lane' | 'key' | 'reason'>

const nobody = (reason: string): Address => ({ lane: null, key: null, reason })

function place(groups: Map<string, Group>, { lane, key, reason }: Address, placed: Placed): void {
  const { field } = placed.change
  const id = JSON.stringify([lane, key, field, reason])
  const group = groups.get(id)
  if (group) group.placed.push(placed)
  else groups.set(id, { lane, key, field, reason, placed: [placed] })
}

function sortChange(groups: Map<string, Group>, change: Change, options: SplitOptions): void {
  const whole = wholeAddress(change)
  if (whole) place(groups, whole, { change, list: null, item: isBareEntry(change) ? change.entry : change.change })
  else placeItems(groups, change, options)
}

/** Where a change goes that is an element itself; null when its lists hold the elements. */
function wholeAddress(change: Change): Address | null {
  const { field, value } = change
  if (field === null) return nobody('It is not a change with a field and a value')
  const { lane, lists } = fieldRule(field)
  if (lane === null) return nobody('Nobody acts on this field')
  if (lists.length === 0) return addressOf(lane, wabaIdOf(change), 'WABA id')
  if (lists.some((list) => value[list] != null && !Array.isArray(value[list]))) return nobody('Its elements are not in a list')
  return lists.every((list) => listOf(value[list]).length === 0) ? nobody('It holds no elements') : null
}

function placeItems(groups: Map<string, Group>, change: Change, options: SplitOptions): void {
  const { lists } = fieldRule(change.field!)
  const phoneNumberId = phoneNumberIdOf(change.value)
  const number = addressOf('webhooks.message', phoneNumberId, 'phone number id')
  for (const list of lists) {
    for (const item of listOf(change.value[list])) {
      const campaign = list === 'statuses' && number.lane !== null ? campaignOf(item, phoneNumberId!, options) : undefined
      place(groups, isObject(item) ? (campaign ?? number) : nobody('The element is not an object'), { change, list, item })
    }
  }
}

function addressOf(lane: LaneName, key: string | undefined, what: string): Address {
  return key !== undefined && laneKeyPattern.test(key) ? { lane, key, reason: undefined } : nobody(`It has no usable ${what}`)
}

function campaignOf(status: unknown, phoneNumberId: string, { verifyToken }: SplitOptions): Address | undefined {
  const token = objectOf(status).biz_opaque_callback_data
  const pick = token === undefined ? undefined : verifyToken(phoneNumberId, token)
  return pick && laneKeyPattern.test(pick.key) ? { ...pick, reason: undefined } : undefined
}

const partOf = ({ lane, key, field, reason }: Group, elements: number, content: Buffer | null): Part =>
  reason === undefined ? { lane, key, field, elements, content } : { lane, key, field, elements, content, reason }

interface Written extends Placed {
  text: string
}

function writeParts(group: Group, object: string | undefined): Part[] {
  const parts: Part[] = []
  const frames = new Map<Change, string>()
  let pending: Written[] = []
  let bytes = 0
  const flush = (): void => {
    if (pending.length > 0) parts.push(partOf(group, pending.length, Buffer.from(writeBody(object, pending, frames))))
    pending = []
    bytes = 0
  }
  for (const placed of group.placed) {
    const text = JSON.stringify(placed.item) ?? 'null'
    const size = Buffer.byteLength(text) + 1
    const frame = placed.list === null ? 0 : Buffer.byteLength(frameOf(placed.change, frames))
    // With contacts larger than half a part, parts of that size would be mostly contacts, and a body could grow without end.
    const limit = Math.max(maxBytes, frame + maxBytes / 2)
    const needed = (): number => bytes + size + (pending.at(-1)?.change === placed.change ? 0 : frame + frameOverhead)
    if (pending.length >= maxElements || (pending.length > 0 && needed() > limit)) flush()
    bytes = needed()
    pending.push({ ...placed, text })
  }
  flush()
  return parts
}

/** Braces, names and ids around a change; entries have an id and a time. */
const frameOverhead = 256

/** The value of a change without its elements: metadata, all contacts, and whatever else stands there, as JSON text. */
function frameOf(change: Change, frames: Map<Change, string>): string {
  const known = frames.get(change)
  if (known !== undefined) return known
  const rest: JsonObject = { ...change.value }
  for (const list of fieldRule(change.field ?? '').lists) delete rest[list]
  const text = JSON.stringify(rest)
  frames.set(change, text)
  return text
}

/** An entry without a list of changes is an element by itself. */
const isBareEntry = (change: Change): boolean => change.change === undefined

/** Consecutive elements of one change share its frame, consecutive changes of one entry share the entry. */
function writeBody(object: string | undefined, elements: Written[], frames: Map<Change, string>): string {
  const entries = runs(elements, ({ change }) => (isBareEntry(change) ? change : change.entry)).map(([, inEntry]) => {
    const { change: first } = inEntry[0]!
    if (isBareEntry(first)) return inEntry[0]!.text
    const changes = runs(inEntry, (element) => element.change).map(([change, inChange]) => writeChange(change, inChange, frames))
    const { changes: _, ...rest } = objectOf(first.entry)
    return insert(JSON.stringify(rest), `"changes":[${changes.join(',')}]`)
  })
  return `{"object":${JSON.stringify(object ?? 'whatsapp_business_account')},"entry":[${entries.join(',')}]}`
}

function writeChange(change: Change, elements: Written[], frames: Map<Change, string>): string {
  if (elements[0]!.list === null) return elements[0]!.text
  const lists = runs(elements, (element) => element.list).map(([list, inList]) => `"${list}":[${inList.map(({ text }) => text).join(',')}]`)
  return `{"field":${JSON.stringify(change.field)},"value":${insert(frameOf(change, frames), lists.join(','))}}`
}

/** Adds members to the text of a JSON object. */
const insert = (object: string, members: string): string => (object === '{}' ? `{${members}}` : `${object.slice(0, -1)},${members}}`)

/** Neighbours with the same key, together. */
function runs<T, K>(items: readonly T[], keyOf: (item: T) => K): [K, T[]][] {
  const result: [K, T[]][] = []
  for (const item of items) {
    const key = keyOf(item)
    const last = result.at(-1)
    if (last && last[0] === key) last[1].push(item)
    else result.push([key, [item]])
  }
  return result
}
