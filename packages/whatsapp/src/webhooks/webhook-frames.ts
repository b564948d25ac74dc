import { laneKeyPattern } from '@lockstep/contracts'
import { type JsonObject, objectOf, textOf } from '../json.ts'
import { fieldRule, type WebhookChange } from './webhook-body.ts'

/**
 * Bytes of contacts and the like that the parts of one body repeat: Meta's largest batch, 1,000
 * updates (meta-cloud-api.md §1), needs about 1 MB.
 */
const maxCopied = 8 * 1024 * 1024

/**
 * An element where it stood: in the list `list` of its change's value, or (null) the change itself.
 */
export interface Placed {
  change: WebhookChange
  list: string | null
  item: unknown
}

export interface Written extends Placed {
  text: string
  frame: Frame
}

/** Braces and names around a change, with its field, and its entry's id and time. */
export const frameOverhead = 512

/** What the elements of a change share: its value without them, as JSON text. */
interface Frame {
  text: string
  bytes: number
}

export interface Frames {
  /** What the next copy would be. */
  look(of: Placed): Frame
  copy(of: Placed): Frame
}

/**
 * The frames of one body: metadata, contacts and whatever else its parts repeat. Once the copies
 * have used up their bytes, further ones hold the number alone.
 */
export function openFrames(): Frames {
  const whole = new Map<WebhookChange, Frame>()
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
    return frame.bytes <= left
      ? frame
      : frameOf({
          metadata: small({ phone_number_id: objectOf(change.value.metadata).phone_number_id }),
        })
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

/**
 * Those of these members that are an id or a time: what else may stand there is in the body, and
 * would be in every part.
 */
function small(members: JsonObject): JsonObject {
  const entries = Object.entries(members).flatMap(([name, value]) => {
    const text = textOf(value) ?? ''
    const fits = name === 'time' ? timePattern.test(text) : laneKeyPattern.test(text)
    // A text may hold any number of U+0000 that its readers pass over.
    return fits ? [[name, typeof value === 'string' ? text : value]] : []
  })
  return Object.fromEntries(entries)
}

const timePattern = /^\d{1,128}$/

/** An entry without a list of changes is an element by itself. */
export const isBareEntry = (change: WebhookChange): boolean => change.change === undefined

/**
 * Consecutive elements of one change share its frame, consecutive changes of one entry share the
 * entry.
 */
export function writeBody(object: string | undefined, elements: Written[]): string {
  const entries = runs(elements, ({ change }) => (isBareEntry(change) ? change : change.entry)).map(
    ([, inEntry]) => {
      const { change: first } = inEntry[0]!
      if (isBareEntry(first)) return inEntry[0]!.text
      const changes = runs(inEntry, (element) => element.change).map(([change, inChange]) =>
        writeChange(change, inChange),
      )
      const { id, time } = objectOf(first.entry)
      return insert(JSON.stringify(small({ id, time })), `"changes":[${changes.join(',')}]`)
    },
  )
  return `{"object":${JSON.stringify(object ?? 'whatsapp_business_account')},"entry":[${entries.join(',')}]}`
}

function writeChange(change: WebhookChange, elements: Written[]): string {
  const { list, text, frame } = elements[0]!
  if (list === null) return text
  const lists = runs(elements, (element) => element.list).map(
    ([list, inList]) => `"${list}":[${inList.map(({ text }) => text).join(',')}]`,
  )
  return `{"field":${JSON.stringify(change.field)},"value":${insert(frame.text, lists.join(','))}}`
}

/** Adds members to the text of a JSON object. */
const insert = (object: string, members: string): string =>
  object === '{}' ? `{${members}}` : `${object.slice(0, -1)},${members}}`

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
