import { laneKeyPattern, type WebhookLane } from '@lockstep/contracts'
import { codeOf, refusalCodes } from '../graph/graph-errors.ts'
import { isObject, listOf, objectOf } from '../json.ts'
import {
  changesOf,
  errorList,
  fieldRule,
  parseWebhook,
  phoneNumberIdOf,
  type WebhookChange,
  wabaIdOf,
} from './webhook-body.ts'
import {
  type Frames,
  frameOverhead,
  isBareEntry,
  openFrames,
  type Placed,
  type Written,
  writeBody,
} from './webhook-frames.ts'

interface LanePick {
  lane: WebhookLane
  key: string
}

export interface SplitOptions {
  /**
   * The lane that the token of a status names, or undefined when it is none of ours: then the
   * status goes to its number's lane.
   */
  verifyToken(phoneNumberId: string, token: unknown): LanePick | undefined
  /**
   * So many distinct keys of the signer's own, of others, and so many fields have parts of their
   * own; unbounded by default.
   */
  maxKeys?: { own: number; other: number; fields: number }
  isOwn?(lane: WebhookLane, key: string, field: string | null): boolean
}

/** The elements of one body that wait in one lane. */
export interface WebhookPart {
  /** Null: nobody acts on it; it is kept raw and counted, for `reason`. */
  lane: WebhookLane | null
  key: string | null
  field: string | null
  elements: number
  /**
   * A webhook body that holds only these elements; null when the part is the entire body, so that
   * no byte is stored twice.
   */
  content: Buffer | null
  reason?: string
  /** Its elements' keys were more than a body may name. */
  isOver?: boolean
  /**
   * A status among those of its campaign says that its recipient may not be written to any more.
   */
  hasRefusal?: boolean
}

const maxElements = 500
const maxBytes = 256 * 1024
const changesAStep = 250

/**
 * Splits a body by lane: each element lands in exactly one part, of at most 500 elements and 256 kB
 * unless one element, or its contacts, are larger. Never throws.
 */
export function splitWebhook(raw: Buffer, options: SplitOptions): WebhookPart[] {
  const steps = splitInSteps(raw, options)
  for (;;) {
    const { done, value } = steps.next()
    if (done) return value
  }
}

/**
 * As `splitWebhook`, with pauses between which little is done: to read 3 MB takes longer than
 * others should wait.
 */
export function* splitInSteps(raw: Buffer, options: SplitOptions): Generator<void, WebhookPart[]> {
  const parsed = parseWebhook(raw, { isUnbounded: options.maxKeys === undefined })
  if ('unreadable' in parsed) {
    const { unreadable: reason, isOver = false } = parsed
    return [
      {
        lane: null,
        key: null,
        field: null,
        elements: 1,
        content: null,
        reason,
        ...(isOver && { isOver }),
      },
    ]
  }
  const groups = openGroups(options)
  let changes = 0
  for (const change of changesOf(parsed)) {
    if (changes++ % changesAStep === 0) yield
    sortChange(groups, change, options)
  }
  if (groups.size === 0)
    return [
      {
        lane: null,
        key: null,
        field: null,
        elements: 0,
        content: null,
        reason: 'The body holds no elements',
      },
    ]
  const [first] = groups.values()
  const small = first!.placed.length <= maxElements && raw.length <= maxBytes
  if (groups.size === 1 && small) return [partOf(first!, first!.placed.length, null)]
  const frames = openFrames()
  const parts: WebhookPart[] = []
  for (const group of groups.values()) {
    for (const part of writeParts(group, parsed.object, frames)) {
      parts.push(part)
      yield
    }
  }
  return parts.length === 1 ? [{ ...parts[0]!, content: null }] : parts
}

interface Group {
  lane: WebhookLane | null
  key: string | null
  field: string | null
  reason: string | undefined
  isOver: boolean
  hasRefusal: boolean
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

type Address = Pick<Group, 'lane' | 'key' | 'reason'>

const nobody = (reason: string): Address => ({ lane: null, key: null, reason })

const overKeys = nobody(
  'The body names more numbers, WABAs, campaigns or fields than one may; a replay splits it by all of them',
)

/** Puts an element into its group; answers that. */
function place(groups: Groups, address: Address, placed: Placed): Group {
  const field = address === overKeys ? null : placed.change.field
  const { lane, key, reason } = address
  // No other member holds a U+0000; the field, which may, stands last.
  const id = `${lane}\0${key}\0${reason}\0${field}`
  const known = groups.get(id)
  if (known) {
    known.placed.push(placed)
    return known
  }
  if (address !== overKeys && !groups.admits(address, field)) return place(groups, overKeys, placed)
  const group = {
    lane,
    key,
    field,
    reason,
    isOver: address === overKeys,
    hasRefusal: false,
    placed: [placed],
  }
  groups.set(id, group)
  return group
}

function sortChange(groups: Groups, change: WebhookChange, options: SplitOptions): void {
  const whole = wholeAddress(change)
  if (whole)
    place(groups, whole, {
      change,
      list: null,
      item: isBareEntry(change) ? change.entry : change.change,
    })
  else placeItems(groups, change, options)
}

/** Where a change goes that is an element itself; null when its lists hold the elements. */
function wholeAddress(change: WebhookChange): Address | null {
  const { field, value } = change
  if (field === null) return nobody('It is not a change with a field and a value')
  const { lane, lists } = fieldRule(field)
  if (lane === null) return nobody('Nobody acts on this field')
  if (lists.length === 0) return addressOf(lane, wabaIdOf(change), 'WABA id')
  if (lists.some((list) => value[list] != null && !Array.isArray(value[list])))
    return nobody('Its elements are not in a list')
  return lists.every((list) => listOf(value[list]).length === 0)
    ? nobody('It holds no elements')
    : null
}

function placeItems(groups: Groups, change: WebhookChange, options: SplitOptions): void {
  const { lists } = fieldRule(change.field!)
  const phoneNumberId = phoneNumberIdOf(change.value)
  const number = addressOf('webhooks.message', phoneNumberId, 'phone number id')
  const account = addressOf('webhooks.account', wabaIdOf(change), 'WABA id')
  let ofNumber: Group | undefined
  for (const list of lists) {
    for (const item of listOf(change.value[list])) {
      const campaign =
        list === 'statuses' && change.field === 'messages' && number.lane !== null
          ? campaignOf(item, phoneNumberId!, options)
          : undefined
      const placed = { change, list, item }
      if (!isObject(item)) place(groups, nobody('The element is not an object'), placed)
      else if (list === errorList) place(groups, account, placed)
      else if (campaign) place(groups, campaign, placed).hasRefusal ||= isRefusal(item)
      else if (ofNumber) ofNumber.placed.push(placed)
      else ofNumber = place(groups, number, placed)
    }
  }
}

function addressOf(lane: WebhookLane, key: string | undefined, what: string): Address {
  return key !== undefined && laneKeyPattern.test(key)
    ? { lane, key, reason: undefined }
    : nobody(`It has no usable ${what}`)
}

function campaignOf(
  status: unknown,
  phoneNumberId: string,
  { verifyToken }: SplitOptions,
): Address | undefined {
  const token = objectOf(status).biz_opaque_callback_data
  const pick = token === undefined ? undefined : verifyToken(phoneNumberId, token)
  return pick && laneKeyPattern.test(pick.key) ? { ...pick, reason: undefined } : undefined
}

const isRefusal = (status: Record<string, unknown>): boolean =>
  status.errors !== undefined &&
  refusalCodes(listOf(status.errors).map((error) => codeOf(objectOf(error).code))).length > 0

const partOf = (
  { lane, key, field, reason, isOver, hasRefusal }: Group,
  elements: number,
  content: Buffer | null,
): WebhookPart => ({
  ...{ lane, key, field, elements, content },
  ...(reason !== undefined && { reason }),
  ...(isOver && { isOver }),
  ...(hasRefusal && { hasRefusal }),
})

function* writeParts(
  group: Group,
  object: string | undefined,
  frames: Frames,
): Generator<WebhookPart> {
  let pending: Written[] = []
  let bytes = 0
  const written = () => partOf(group, pending.length, Buffer.from(writeBody(object, pending)))
  for (const placed of group.placed) {
    const text = JSON.stringify(placed.item) ?? 'null'
    const size = Buffer.byteLength(text) + 1
    const before = pending.at(-1)
    let shared = before?.change === placed.change ? before.frame : undefined
    const { bytes: frameBytes } = shared ?? frames.look(placed)
    // With contacts larger than half a part, parts of that size would be mostly contacts.
    const limit = Math.max(maxBytes, frameBytes + maxBytes / 2)
    if (
      pending.length >= maxElements ||
      (before && bytes + size + (shared ? 0 : frameBytes + frameOverhead) > limit)
    ) {
      if (pending.length > 0) yield written()
      pending = []
      bytes = 0
      shared = undefined
    }
    const frame = shared ?? frames.copy(placed)
    bytes += size + (shared ? 0 : frame.bytes + frameOverhead)
    pending.push({ ...placed, text, frame })
  }
  if (pending.length > 0) yield written()
}
