import { type JsonObject, listOf, objectOf, textOf } from '../json.ts'
import { editedOf } from './message-content.ts'

/**
 * Longest text in characters (code points): nobody can write a longer one in WhatsApp, the element
 * keeps it.
 */
const maxText = 65_536

/**
 * What a person reads of an inbound message, for every type of Meta's messages reference and for
 * those that do not exist yet.
 */
export function displayText(type: string, message: JsonObject): string {
  const read = Object.hasOwn(readers, type)
    ? readers[type]!(objectOf(message[type]), message)
    : undefined
  return shortened(read || `[${type}]`, maxText)
}

/**
 * The text, or its first characters and a mark: code points are counted, so that no emoji is cut in
 * two.
 */
function shortened(text: string, most: number): string {
  if (text.length <= most) return text
  let end = 0
  for (let count = 0; count < most && end < text.length; count++)
    end += text.codePointAt(end)! > 0xffff ? 2 : 1
  return end < text.length ? `${text.slice(0, end)}…` : text
}

/**
 * The text in which a person may have said stop: also an edited one, a caption, or id and title of
 * what was tapped, one a line (Meta, webhooks/reference/messages).
 */
export function stopText(type: string, message: JsonObject): string | undefined {
  const node = objectOf(message[type])
  if (type === 'text') return textOf(node.body)
  if (type === 'button') return lines(textOf(node.payload), textOf(node.text))
  if (type === 'edit') return editedOf(message, stopText)
  if (captioned.has(type)) return textOf(node.caption)
  const reply = objectOf(node.button_reply ?? node.list_reply)
  return type === 'interactive' ? lines(textOf(reply.id), textOf(reply.title)) : undefined
}

const captioned = new Set(['image', 'video', 'document'])

const lines = (...texts: (string | undefined)[]): string | undefined =>
  [...new Set(texts)].filter(Boolean).join('\n') || undefined

type Reader = (node: JsonObject, message: JsonObject) => string | undefined

const media =
  (name: string): Reader =>
  (node) =>
    textOf(node.caption) ?? name

const readers: Readonly<Record<string, Reader>> = {
  text: (node) => textOf(node.body),
  image: media('[image]'),
  video: media('[video]'),
  sticker: media('[sticker]'),
  voice: media('[voice message]'),
  audio: (node) => (node.voice === true ? '[voice message]' : '[audio]'),
  document: (node) => lines(textOf(node.filename), textOf(node.caption)),
  location: (node) =>
    lines(textOf(node.name), textOf(node.address)) ??
    `[location ${textOf(node.latitude)}, ${textOf(node.longitude)}]`,
  contacts: (_node, message) => {
    const names = listOf(message.contacts).map(
      (contact) => textOf(objectOf(objectOf(contact).name).formatted_name) ?? 'without a name',
    )
    return `[contact: ${names.join(', ')}]`
  },
  interactive: interactiveText,
  button: (node) => textOf(node.text) ?? textOf(node.payload),
  order: (node) => textOf(node.text) || `[order of ${listOf(node.product_items).length} items]`,
  // A removed reaction comes without an emoji or with an empty one.
  reaction: (node) => textOf(node.emoji) || '[reaction removed]',
  system: (node) => textOf(node.body),
  revoke: () => '[message deleted]',
  edit: (_node, message) => editedOf(message, displayText),
  unsupported: (node) =>
    `[unsupported message${textOf(node.type) ? `: ${textOf(node.type)}` : ''}]`,
}

function interactiveText(node: JsonObject): string | undefined {
  const list = objectOf(node.list_reply)
  const answer = textOf(objectOf(node.call_permission_reply).response)
  return (
    textOf(objectOf(node.button_reply).title) ??
    lines(textOf(list.title), textOf(list.description)) ??
    textOf(objectOf(node.nfm_reply).body) ??
    (answer && `[call permission: ${answer}]`)
  )
}
