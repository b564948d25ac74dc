import { z } from 'zod'
import type { Context } from './context.ts'
import { ControlError } from './control-error.ts'
import { type Person, personOf, wamid } from './fate.ts'
import type { PhoneNumber } from './state.ts'

const said = {
  phoneNumberId: z.string(),
  text: z.string().optional(),
  type: z.string().default('text'),
  /** The node named like the type. */
  payload: z.unknown().optional(),
  context: z.record(z.string(), z.unknown()).optional(),
  timestampMs: z.number().optional(),
  id: z.string().optional(),
}

/** The body of `POST /_sim/echo`: the business wrote it in the WhatsApp app on its phone. Without `type` it is a text. */
export const echoInput = z.strictObject({
  ...said,
  /** wa_id or business-scoped user id. */ to: z.string().min(1),
})

/** Tells the apps of a message from the phone (meta-cloud-api.md §2, smb_message_echoes). */
export async function echo(ctx: Context, input: z.output<typeof echoInput>) {
  const number = numberOf(ctx, input.phoneNumberId)
  const person = personOf(number.wabaId, input.to)
  const id = input.id ?? wamid(input.to, 'out', ctx.settings.seed, number.id, 'echo', ctx.log.seq)
  const message = {
    from: number.digits,
    ...(person.waId && { to: person.waId }),
    to_user_id: person.userId,
    ...messageOf(input, id),
  }
  await tell(ctx, number, 'smb_message_echoes', {
    contacts: [contactOf(person)],
    message_echoes: [message],
  })
  return { id }
}

function messageOf(
  { type, text, payload, context, timestampMs }: z.output<typeof echoInput>,
  id: string,
) {
  const node = type === 'text' && payload === undefined ? { body: text ?? '' } : payload
  const timestamp = String(Math.floor((timestampMs ?? Date.now()) / 1000))
  return {
    id,
    timestamp,
    type,
    ...(node !== undefined && { [type]: node }),
    ...(context && { context }),
  }
}

/** The body of `POST /_sim/call`: a call that a person made, or with `isOurs` the business, and that was picked up unless `seconds` is 0. */
export const callInput = z.strictObject({
  phoneNumberId: z.string(),
  /** wa_id or business-scoped user id of the person. */
  person: z.string().min(1),
  isOurs: z.boolean().default(false),
  seconds: z.int().min(0).default(60),
  timestampMs: z.number().optional(),
})

/** Tells the apps of a call from its beginning to its end (meta-cloud-api.md §2, calls). */
export async function call(ctx: Context, input: z.output<typeof callInput>) {
  const number = numberOf(ctx, input.phoneNumberId)
  const person = personOf(number.wabaId, input.person)
  const { isOurs, seconds } = input
  const id = `wacid.${wamid(input.person, isOurs ? 'out' : 'in', ctx.settings.seed, number.id, 'call', ctx.log.seq).slice(6)}`
  const beganAt = Math.floor((input.timestampMs ?? Date.now()) / 1000)
  const times =
    seconds > 0
      ? { start_time: String(beganAt), end_time: String(beganAt + seconds), duration: seconds }
      : {}
  const [us, them] = [number.digits, person.waId]
  const sides = isOurs
    ? { from: us, to: them, to_user_id: person.userId }
    : { from: them, from_user_id: person.userId, to: us }
  const common = { id, ...sides, direction: isOurs ? 'BUSINESS_INITIATED' : 'USER_INITIATED' }
  const contacts = [contactOf(person)]
  const connect = {
    ...common,
    event: 'connect',
    timestamp: String(beganAt),
    session: { sdp_type: isOurs ? 'answer' : 'offer', sdp: 'v=0' },
  }
  const end = {
    ...common,
    event: 'terminate',
    timestamp: String(beganAt + seconds),
    status: seconds > 0 ? 'COMPLETED' : 'FAILED',
    ...times,
  }
  if (isOurs) {
    const said = ['RINGING', seconds > 0 ? 'ACCEPTED' : 'REJECTED']
    const status = {
      id,
      type: 'call',
      timestamp: String(beganAt),
      recipient_id: them,
      recipient_user_id: person.userId,
    }
    for (const word of said)
      await tell(ctx, number, 'calls', { contacts, statuses: [{ ...status, status: word }] })
  }
  if (!isOurs || seconds > 0) await tell(ctx, number, 'calls', { contacts, calls: [connect] })
  await tell(ctx, number, 'calls', { contacts, calls: [end] })
  return { id }
}

/** The body of `POST /_sim/history`: what was said before the number was connected, in one chunk. */
export const historyInput = z.strictObject({
  phoneNumberId: z.string(),
  messages: z.array(
    z.strictObject({
      /** wa_id of the person. */
      person: z.string().min(1),
      isOurs: z.boolean().default(false),
      text: z.string(),
      timestampMs: z.number(),
      id: z.string().optional(),
    }),
  ),
  phase: z.int().min(0).max(2).default(0),
  progress: z.int().min(0).max(100).default(100),
})

/** Tells the apps of threads of the past (meta-cloud-api.md §2, history). */
export async function history(
  ctx: Context,
  { phoneNumberId, messages, phase, progress }: z.output<typeof historyInput>,
) {
  const number = numberOf(ctx, phoneNumberId)
  const ids = messages.map(
    ({ id, person }, at) =>
      id ?? wamid(person, 'in', ctx.settings.seed, number.id, 'history', ctx.log.seq, at),
  )
  const all = messages.map(({ person, isOurs, text, timestampMs }, at) => ({
    person,
    ...(isOurs ? { from: number.digits, to: person } : { from: person }),
    ...{
      id: ids[at],
      timestamp: String(Math.floor(timestampMs / 1000)),
      type: 'text',
      text: { body: text },
    },
    history_context: { status: 'READ' },
  }))
  const threads = [...Map.groupBy(all, ({ person }) => person)].map(([id, its]) => ({
    id,
    messages: its.map(({ person: _, ...same }) => same),
  }))
  await tell(ctx, number, 'history', {
    history: [{ metadata: { phase, chunk_order: 1, progress }, threads }],
  })
  return { ids }
}

/** The body of `POST /_sim/app-contacts`: changes of the address book of the WhatsApp app on the phone. */
export const appContactsInput = z.strictObject({
  phoneNumberId: z.string(),
  contacts: z.array(
    z.strictObject({
      person: z.string().min(1),
      name: z.string().optional(),
      action: z.enum(['add', 'remove']).default('add'),
    }),
  ),
})

/** Tells the apps of them (meta-cloud-api.md §2, smb_app_state_sync). */
export async function appContacts(
  ctx: Context,
  { phoneNumberId, contacts }: z.output<typeof appContactsInput>,
) {
  const number = numberOf(ctx, phoneNumberId)
  const metadata = { timestamp: String(Math.floor(Date.now() / 1000)) }
  const state_sync = contacts.map(({ person, name, action }) => {
    const contact = {
      ...(name !== undefined && { full_name: name, first_name: name.split(' ')[0] }),
      phone_number: person,
    }
    return { type: 'contact', contact, action, metadata }
  })
  await tell(ctx, number, 'smb_app_state_sync', { state_sync })
  return { contacts: contacts.length }
}

const contactOf = ({ name, waId, userId }: Person) => ({
  profile: { name },
  ...(waId && { wa_id: waId }),
  user_id: userId,
})

function numberOf(ctx: Context, id: string): PhoneNumber {
  const number = ctx.world.numbers.get(id)
  if (!number)
    throw new ControlError(404, `There is no number ${id}; register it by PUT /_sim/state.`)
  return number
}

/** Sends a value of one of a number's fields that have no list of messages or statuses. */
async function tell(
  ctx: Context,
  number: PhoneNumber,
  field: string,
  content: Record<string, unknown>,
): Promise<void> {
  const metadata = { display_phone_number: number.digits, phone_number_id: number.id }
  const value = { messaging_product: 'whatsapp', metadata, ...content }
  const line = {
    atMs: Date.now(),
    kind: 'event',
    id: `e${ctx.log.seq + 1}`,
    wabaId: number.wabaId,
    field,
    value,
  } as const
  await ctx.log.append(line)
  ctx.emit(line)
}
