import type { Media, Message } from '@lockstep/rpc/gen/conversations'
import type { ThreadMessage } from '@lockstep/whatsapp'

/**
 * What is stored of a message as Meta's reader gives it, and listed as it is stored: the type of
 * its column by its name. `jsonb` leaves as text named `…Json`, but for `media`.
 */
export const messageFields = {
  direction: 'text',
  source: 'text',
  type: 'text',
  text: 'text',
  contextWamid: 'text',
  targetWamid: 'text',
  media: 'jsonb',
  content: 'jsonb',
  forwarded: 'boolean',
  frequentlyForwarded: 'boolean',
  referredProduct: 'jsonb',
  referral: 'jsonb',
} as const satisfies Partial<Record<keyof ThreadMessage, 'text' | 'jsonb' | 'boolean'>>

type Fields = typeof messageFields
type Field = keyof Fields

export type MessageFields = Pick<ThreadMessage, Field>

/** As a list of messages reads them. */
export type ListedFields = {
  [Name in Field]: Name extends 'media'
    ? Partial<Media> | null
    : Fields[Name] extends 'boolean'
      ? boolean
      : string | null
}

/** By their names in the proto; one that it lacks does not compile. */
type ProtoFields = Pick<
  Message,
  {
    [Name in Field]: Name extends 'media'
      ? never
      : Fields[Name] extends 'jsonb'
        ? `${Name}Json`
        : Name
  }[Field]
>

const names = Object.keys(messageFields) as Field[]

export function pickFields(message: ThreadMessage): MessageFields {
  return Object.fromEntries(names.map((name) => [name, message[name]])) as MessageFields
}

/** Text that is not there is empty. */
export function fieldsToProto(row: ListedFields): ProtoFields {
  const fields = names.flatMap((name) => {
    if (name === 'media') return []
    const type = messageFields[name]
    return [[type === 'jsonb' ? `${name}Json` : name, row[name] ?? '']]
  })
  return Object.fromEntries(fields) as ProtoFields
}
