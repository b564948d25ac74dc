import type { GraphFault } from './graph-errors.ts'
import type { PhoneNumber, World } from './state.ts'
import {
  type CompiledTemplate,
  parameterFault,
  statusFault,
  templateKey,
  templateMissing,
} from './templates.ts'

type Json = Record<string, unknown>

/** The message types that can be sent (meta-cloud-api.md §4; the list in the refusal is [U]). */
const types = [
  'text',
  'template',
  'image',
  'video',
  'audio',
  'document',
  'sticker',
  'location',
  'contacts',
  'interactive',
  'reaction',
]

/** Business-scoped user id, also of a parent (meta-cloud-api.md §3 "BSUID"). */
const userId = /^[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}$/

/** What was read from a send before it was judged; as much of it as there was. */
export interface SendRequest {
  input?: string
  recipient?: string
  type?: string
  callback?: string
  template?: { name: string; language: string; category?: string }
}

/** Who may call: the fault of a bearer token for an object, by the token's owner. */
export function tokenFault(
  world: World,
  authorization: string | undefined,
  allowed: (token: string) => boolean,
  missing: GraphFault,
): GraphFault | undefined {
  const token = authorization?.match(/^Bearer +(\S+)$/i)?.[1]
  // Codes: meta-cloud-api.md §4.
  if (token === undefined) return { code: 200 }
  if (!world.tokens.has(token)) return { code: 190 }
  return allowed(token) ? undefined : missing
}

/** Reads a body as far as it can be read. What cannot be parsed is an empty body, as it is to Meta [U]. */
export function parseBody(raw: Buffer | undefined): Json {
  try {
    const body: unknown = JSON.parse(raw?.toString() ?? '')
    return body !== null && typeof body === 'object' ? (body as Json) : {}
  } catch {
    return {}
  }
}

/** The facts of a send that are kept in the log whether it is accepted or not. */
export function readSend(body: Json): SendRequest {
  const { to, recipient, type = 'text', biz_opaque_callback_data: callback } = body
  const language = (body.template as Json | undefined)?.language as Json | undefined
  const name = (body.template as Json | undefined)?.name
  // If both are given, `to` wins (meta-cloud-api.md §3).
  const input = typeof to === 'string' ? to : typeof recipient === 'string' ? recipient : undefined
  return {
    ...(input !== undefined && { input, recipient: to === undefined ? input : waIdOf(input) }),
    type: String(type),
    ...(typeof callback === 'string' && { callback }),
    ...(typeof name === 'string' && { template: { name, language: String(language?.code ?? '') } }),
  }
}

/**
 * Digits of a dialled number as WhatsApp knows it: Brazilian mobiles with an area code from 31 on lose the ninth digit
 * (meta-cloud-api.md §6). Meta would put the business's country code before a number without `+`; the simulator takes it as it is.
 */
function waIdOf(input: string): string {
  const digits = input.replace(/[+\-() ]/g, '')
  const brazil = digits.match(/^55(\d\d)9(\d{8})$/)
  return brazil && Number(brazil[1]) >= 31 ? `55${brazil[1]}${brazil[2]}` : digits
}

/** The first thing that is wrong with a send, if anything; completes `send` by the template's category. */
export function sendFault(
  world: World,
  number: PhoneNumber,
  body: Json,
  send: SendRequest,
): GraphFault | undefined {
  if (body.messaging_product !== 'whatsapp')
    return {
      code: 100,
      details: 'The parameter messaging_product is required and must be whatsapp.',
    }
  if (number.status !== 'CONNECTED') return { code: 133010 }
  if (send.recipient === undefined) return { code: 100, details: 'The parameter to is required.' }
  const byUserId = body.to === undefined
  if (byUserId ? !userId.test(send.recipient) : !/^\d{5,15}$/.test(send.recipient)) {
    return {
      code: 131009,
      details: `${byUserId ? 'recipient' : 'to'}: ${send.input} is not a valid ${byUserId ? 'user id' : 'phone number'}`,
    }
  }
  if (send.recipient === number.digits) return { code: 131021 }
  if (send.callback !== undefined && send.callback.length > 512) {
    return {
      code: 100,
      details: 'Param biz_opaque_callback_data must be at most 512 characters long.',
    }
  }
  if (!types.includes(send.type!))
    return {
      code: 100,
      details: `Param type must be one of {${types.join(', ').toUpperCase()}} - got "${send.type}".`,
    }
  if (send.type === 'template')
    return templateFault(world, number, body.template as Json | undefined, send, byUserId)
  return send.type === 'text'
    ? textFault(body.text as Json | undefined)
    : nodeFault(body, send.type!)
}

function textFault(text: Json | undefined): GraphFault | undefined {
  if (typeof text?.body !== 'string' || text.body === '')
    return { code: 100, details: "The parameter text['body'] is required." }
  // Limit: meta-cloud-api.md §4.
  if (text.body.length > 4096)
    return { code: 100, details: "Param text['body'] must be at most 4096 characters long." }
  return undefined
}

function nodeFault(body: Json, type: string): GraphFault | undefined {
  return body[type] !== null && typeof body[type] === 'object'
    ? undefined
    : { code: 131008, details: `Required parameter ${type} is missing` }
}

function templateFault(
  world: World,
  number: PhoneNumber,
  node: Json | undefined,
  send: SendRequest,
  byUserId: boolean,
): GraphFault | undefined {
  if (!send.template)
    return { code: 131008, details: "The parameter template['name'] is required." }
  if (send.template.language === '')
    return { code: 131008, details: "The parameter template['language']['code'] is required." }
  const compiled = findTemplate(world, number.wabaId, send.template)
  if (!compiled) return templateMissing(send.template.name, send.template.language)
  send.template.category = compiled.template.category
  // Authentication templates do not reach a person known by user id only (meta-cloud-api.md §3).
  if (byUserId && compiled.template.category === 'AUTHENTICATION') return { code: 131062 }
  return statusFault(compiled.template) ?? parameterFault(compiled, node?.components)
}

function findTemplate(
  world: World,
  wabaId: string,
  wanted: { name: string; language: string },
): CompiledTemplate | undefined {
  return world.templates.get(wabaId)?.get(templateKey(wanted.name, wanted.language))
}
