import { type LaneName, laneKeyPattern } from '@lockstep/contracts'
import { isObject, type JsonObject, listOf, objectOf, textOf } from './json.ts'
import { type Change, changesOf, fieldRule, parseWebhook, phoneNumberIdOf, wabaIdOf } from './webhook.ts'

export interface LanePick {
  lane: LaneName
  key: string
}

export interface SplitOptions {
  /** The lane that the token of a status names, or undefined when it is none of ours: then the status goes to its number's lane. */
  verifyToken(phoneNumberId: string, token: unknown): LanePick | undefined
  /** So many distinct keys that are the signer's own, so many others, and so many fields have parts of their own; without it a body has no bounds. */
  maxKeys?: { own: number; other: number; fields: number }
  isOwn?(lane: LaneName, key: string, field: string | null): boolean
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
  /** Its elements' keys were more than a body may name. */
  isOver?: boolean
}

const maxElements = 500
const maxBytes = 256 * 1024
/** Bytes of contacts and the like that the parts of one body repeat: Meta's largest batch, 1,000 updates (meta-cloud-api.md §1), needs about 1 MB. */
const maxCopied = 8 * 1024 * 1024

/**
 * Splits a body by lane: each element lands in exactly one part, in its order. A part holds at most 500 elements and 256 kB; more only
 * where a single element, or the contacts that each part keeps, alone are larger than that or half of it. All parts together hold
 * at most the body's bytes, 8 MB of copied contacts, and some hundred bytes each. Never throws.
 */
export function splitWebhook(raw: Buffer, options: SplitOptions): Part[] {
  const parsed = parseWebhook(raw, { isUnbounded: options.maxKeys === undefined })
  if ('unreadable' in parsed) {
    const { unreadable: reason, isOver = false } = parsed
    return [{ lane: null, key: null, field: null, elements: 1, content: null, reason, ...(isOver && { isOver }) }]
  }
  const groups = openGroups(options)
  for (const change of changesOf(parsed)) sortChange(groups, change, options)
  if (groups.size === 0) return [{ lane: null, key: null, field: null, elements: 0, content: null, reason: 'The body holds no elements' }]
  const [first] = groups.values()
  const small = first!.placed.length <= maxElements && raw.length <= maxBytes
  if (groups.size === 1 && small) return [partOf(first!, first!.placed.length, null)]
  const frames = openFrames()
  const parts = [...groups.values()].flatMap((group) => writeParts(group, parsed.object, frames))
  return parts.length === 1 ? [{ ...parts[0]!, content: null }] : parts
}

interface Group {
  lane: LaneName | null
  key: string | null
  field: string | null
  reason: string | undefined
  isOver: boolean
  placed: Placed[]
}

/** The groups of one body, by lane, key, field and reason, and the distinct keys that they name. */
interface Groups extends Map<string, Group> {
  admits(address: Address, field: string | null): boolean
}

function openGroups({ maxKeys, isOwn = () => true }: SplitOptions): Groups {
  const named = { own: new Set<string>(), other: new Set<string>(), fields: new Set<string>() }
  return Object.assign(new Map<string, Group>(), {
    admits({ lane, key }: Address, field: string | null) {
      const kind = lane === null ? 'fields' : isOwn(lane, key!, field) ? 'own' : 'other'
      const name = (lane === null ? field : key) ?? ''
      if (maxKeys && !named[kind].has(name) && named[kind].size >= maxKeys[kind]) return false
      named[kind].add(name)
      return true
    },
  })
}

/** An element where it stood: in the list `list` of its change's value, or (null) the change itself. */
interface Placed {
  change: Change
  list: string | null
  item: unknown
}

type Address = Pick<Group, 'lane' | 'key' | 'reason'>

const nobody = (reason: string): Address => ({ lane: null, key: null, reason })

const overKeys = nobody('The body names more numbers, WABAs, campaigns or fields than one may; a replay splits it by all of them')

function place(groups: Groups, address: Address, placed: Placed): void {
  const field = address === overKeys ? null : placed.change.field
  const { lane, key, reason } = address
  // No other member holds a U+0000; the field, which may, stands last.
  const id = `${lane}\0${key}\0${reason}\0${field}`
  const group = groups.get(id)
  if (group) group.placed.push(placed)
  else if (address === overKeys || groups.admits(address, field))
    groups.set(id, { lane, key, field, reason, isOver: address === overKeys, placed: [placed] })
  else place(groups, overKeys, placed)
}

function sortChange(groups: Groups, change: Change, options: SplitOptions): void {
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

function placeItems(groups: Groups, change: Change, options: SplitOptions): void {
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

const partOf = ({ lane, key, field, reason, isOver }: Group, elements: number, content: Buffer | null): Part => ({
  ...{ lane, key, field, elements, content },
  ...(reason !== undefined && { reason }),
  ...(isOver && { isOver }),
})

interface Written extends Placed {
  text: string
  frame: Frame
}

function writeParts(group: Group, object: string | undefined, frames: Frames): Part[] {
  const parts: Part[] = []
  let pending: Written[] = []
  let bytes = 0
  const flush = (): void => {
    if (pending.length > 0) parts.push(partOf(group, pending.length, Buffer.from(writeBody(object, pending))))
    pending = []
    bytes = 0
  }
  for (const placed of group.placed) {
    const text = JSON.stringify(placed.item) ?? 'null'
    const size = Buffer.byteLength(text) + 1
    const before = pending.at(-1)
    let shared = before?.change === placed.change ? before.frame : undefined
    const { bytes: frameBytes } = shared ?? frames.look(placed)
    // With contacts larger than half a part, parts of that size would be mostly contacts.
    const limit = Math.max(maxBytes, frameBytes + maxBytes / 2)
    if (pending.length >= maxElements || (before && bytes + size + (shared ? 0 : frameBytes + frameOverhead) > limit)) {
      flush()
      shared = undefined
    }
    const frame = shared ?? frames.copy(placed)
    bytes += size + (shared ? 0 : frame.bytes + frameOverhead)
    pending.push({ ...placed, text, frame })
  }
  flush()
  return parts
}

/** Braces and names around a change, with its field, and its entry's id and time. */
const frameOverhead = 512

/** What the elements of a change share: its value without them, as JSON text. */
interface Frame {
  text: string
  bytes: number
}

interface Frames {
  /** What the next copy would be. */
  look(of: Placed): Frame
  copy(of: Placed): Frame
}

/**
 * The frames of one body. Each part repeats those of its elements: metadata, all contacts, and whatever else stands there. Once the
 * copies have used up their bytes the further ones hold the number alone, without which no part can be read: a body can be made
 * of one large frame and a million empty elements, or of elements for a thousand lanes.
 */
function openFrames(): Frames {
  const whole = new Map<Change, Frame>()
  let left = maxCopied
  function look({ change, list }: Placed): Frame {
    if (list === null) return noFrame
    let frame = whole.get(change)
    if (!frame) {
      const rest: JsonObject = { ...change.value }
      for (const name of fieldRule(change.field ?? '').lists) delete rest[name]
      frame = frameOf(rest)
      whole.set(change, frame)
    }
    return frame.bytes <= left ? frame : frameOf({ metadata: small({ phone_number_id: objectOf(change.value.metadata).phone_number_id }) })
  }
  return {
    look,
    copy(of) {
      const frame = look(of)
      left -= frame.bytes
      return frame
    },
  }
}

const noFrame: Frame = { text: '', bytes: 0 }

function frameOf(value: JsonObject): Frame {
  const text = JSON.stringify(value)
  return { text, bytes: Buffer.byteLength(text) }
}

/** Those of these members that are an id or a time: what else may stand there is in the body, and would be in every part. */
function small(members: JsonObject): JsonObject {
  const kept = Object.entries(members).flatMap(([name, value]) => {
    const text = textOf(value) ?? ''
    const fits = name === 'time' ? timePattern.test(text) : laneKeyPattern.test(text)
    // A text may hold any number of U+0000 that its readers pass over.
    return fits ? [[name, typeof value === 'string' ? text : value]] : []
  })
  return Object.fromEntries(kept)
}

const timePattern = /^\d{1,128}$/

/** An entry without a list of changes is an element by itself. */
const isBareEntry = (change: Change): boolean => change.change === undefined

/** Consecutive elements of one change share its frame, consecutive changes of one entry share the entry. */
function writeBody(object: string | undefined, elements: Written[]): string {
  const entries = runs(elements, ({ change }) => (isBareEntry(change) ? change : change.entry)).map(([, inEntry]) => {
    const { change: first } = inEntry[0]!
    if (isBareEntry(first)) return inEntry[0]!.text
    const changes = runs(inEntry, (element) => element.change).map(([change, inChange]) => writeChange(change, inChange))
    const { id, time } = objectOf(first.entry)
    return insert(JSON.stringify(small({ id, time })), `"changes":[${changes.join(',')}]`)
  })
  return `{"object":${JSON.stringify(object ?? 'whatsapp_business_account')},"entry":[${entries.join(',')}]}`
}

function writeChange(change: Change, elements: Written[]): string {
  const { list, text, frame } = elements[0]!
  if (list === null) return text
  const lists = runs(elements, (element) => element.list).map(([list, inList]) => `"${list}":[${inList.map(({ text }) => text).join(',')}]`)
  return `{"field":${JSON.stringify(change.field)},"value":${insert(frame.text, lists.join(','))}}`
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
