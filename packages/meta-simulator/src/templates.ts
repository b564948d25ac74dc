import { hash } from 'node:crypto'
import { z } from 'zod'
import type { GraphFault } from './graph-errors.ts'

const button = z.looseObject({
  type: z.string(),
  text: z.string().optional(),
  url: z.string().optional(),
})
const component = z.looseObject({
  type: z.enum(['HEADER', 'BODY', 'FOOTER', 'BUTTONS']),
  format: z.string().optional(),
  text: z.string().optional(),
  buttons: z.array(button).optional(),
})

/** A message template as `GET /{waba-id}/message_templates` shows it (meta-cloud-api.md §5). */
export const templateSchema = z.looseObject({
  name: z
    .string()
    .regex(
      /^[a-z0-9_]{1,512}$/,
      'lower case letters, digits and underscores, at most 512 (meta-cloud-api.md §5)',
    ),
  language: z.string().min(2),
  status: z.string().default('APPROVED'),
  category: z.enum(['MARKETING', 'UTILITY', 'AUTHENTICATION']),
  parameter_format: z.enum(['POSITIONAL', 'NAMED']).default('POSITIONAL'),
  components: z.array(component).min(1),
  /** Digits as text: they may exceed 2^53 (meta-cloud-api.md §8). Made from name and language if absent. */
  id: z.string().regex(/^\d+$/).optional(),
})
export type TemplateInput = z.input<typeof templateSchema>
export type Template = z.output<typeof templateSchema> & { id: string }

/** A template with all that the check of a send needs, worked out once. */
export interface CompiledTemplate {
  template: Template
  header?: { format: string; variables: string[] }
  body: string[]
  /** Indexes of the buttons that want a parameter, with the sub_type a send names them by. */
  buttons: Map<string, string>
}

/** Identity of a template within a WABA: name and language, where `en-US` is `en_US` (meta-cloud-api.md §5). */
export function templateKey(name: string, language: string): string {
  return `${name}\n${language.replace('-', '_')}`
}

/** Prepares a template of a WABA. */
export function compileTemplate(
  wabaId: string,
  parsed: z.output<typeof templateSchema>,
): CompiledTemplate {
  const header = parsed.components.find((part) => part.type === 'HEADER')
  const body = parsed.components.find((part) => part.type === 'BODY')
  const list = parsed.components.find((part) => part.type === 'BUTTONS')?.buttons ?? []
  const buttons = new Map<string, string>()
  list.forEach((each, index) => {
    if (each.type === 'OTP' || (each.type === 'URL' && variablesOf(each.url).length > 0))
      buttons.set(String(index), 'url')
    else if (each.type === 'COPY_CODE') buttons.set(String(index), 'copy_code')
  })
  const variables = variablesOf(body?.text)
  return {
    template: { ...parsed, id: parsed.id ?? templateId(wabaId, parsed.name, parsed.language) },
    ...(header && {
      header: { format: header.format ?? 'TEXT', variables: variablesOf(header.text) },
    }),
    // Meta writes the text of authentication bodies itself; it holds the code.
    body: variables.length === 0 && parsed.category === 'AUTHENTICATION' ? ['1'] : variables,
    buttons,
  }
}

function variablesOf(text = ''): string[] {
  return [...new Set([...text.matchAll(/\{\{\s*(\w+)\s*\}\}/g)].map((match) => match[1]!))]
}

/** Sixteen digits from 9007199254740993 on, so that a client that reads them as numbers is found out (meta-cloud-api.md §8). */
function templateId(...key: string[]): string {
  const spread = hash('sha256', `template|${key.join('|')}`, 'buffer').readUIntBE(0, 6)
  return (9_007_199_254_740_993n + BigInt(spread)).toString()
}

/** What is wrong with a template's status for sending, if anything: only APPROVED is sendable (meta-cloud-api.md §5). */
export function statusFault(template: Template): GraphFault | undefined {
  if (template.status === 'APPROVED') return undefined
  if (template.status === 'PAUSED') return { code: 132015 }
  if (template.status === 'DISABLED') return { code: 132016 }
  return templateMissing(template.name, template.language)
}

/** The fault for a template that this language does not have (meta-cloud-api.md §4, 132001). */
export function templateMissing(name: string, language: string): GraphFault {
  return { code: 132001, details: `template name (${name}) does not exist in ${language}` }
}

type Json = Record<string, unknown>
const textTypes = new Set(['text', 'currency', 'date_time'])

/** What is wrong with the `components` of a send, if anything. */
export function parameterFault(
  compiled: CompiledTemplate,
  components: unknown,
): GraphFault | undefined {
  const list = Array.isArray(components) ? (components as Json[]) : []
  const find = (type: string) => list.find((part) => String(part?.type).toLowerCase() === type)
  const named = compiled.template.parameter_format === 'NAMED'
  return (
    headerFault(compiled, find('header'), named) ??
    textFault('body', compiled.body, find('body'), named) ??
    buttonFault(compiled.buttons, list)
  )
}

function headerFault(
  compiled: CompiledTemplate,
  part: Json | undefined,
  named: boolean,
): GraphFault | undefined {
  const { header } = compiled
  if (!header || header.format === 'TEXT')
    return textFault('header', header?.variables ?? [], part, named)
  const parameter = parametersOf(part)[0]
  const received = String(parameter?.type ?? 'UNKNOWN').toUpperCase()
  if (received !== header.format)
    return {
      code: 132012,
      details: `header: Format mismatch, expected ${header.format}, received ${received}`,
    }
  return mediaFault(parameter![received.toLowerCase()] as Json | undefined)
}

/** Media are named by an id or a link. [U] Code and words for what is neither. */
function mediaFault(media: Json | undefined): GraphFault | undefined {
  if (typeof media?.id === 'string') return undefined
  const link = String(media?.link ?? '')
  if (/^https?:\/\/\S+$/.test(link) && URL.canParse(link)) return undefined
  return { code: 131009, details: `header: Param link is not a valid URI: ${link}` }
}

function textFault(
  place: string,
  variables: string[],
  part: Json | undefined,
  named: boolean,
): GraphFault | undefined {
  const given = parametersOf(part)
  if (given.length !== variables.length) {
    // Words as captured in production (dgadelha/whaloc, docs/SPEC.md).
    const details = `${place}: number of localizable_params (${given.length}) does not match the expected number of params (${variables.length})`
    return { code: 132000, details }
  }
  for (const parameter of given) {
    const type = String(parameter?.type)
    if (!textTypes.has(type))
      return {
        code: 132012,
        details: `${place}: Format mismatch, expected TEXT, received ${type.toUpperCase()}`,
      }
    if (named && !variables.includes(String(parameter.parameter_name))) {
      return {
        code: 132012,
        details: `${place}: parameter name (${parameter.parameter_name ?? ''}) is missing or not one of the template's`,
      }
    }
    if (type !== 'text') continue
    const text = parameter.text
    if (typeof text !== 'string' || text === '') {
      return { code: 131008, details: `${place}: Parameter of type text is missing text value` }
    }
    const wrong = spaceFault(text)
    if (wrong) return wrong
  }
  return undefined
}

/** [U] Meta refuses line breaks, tabs and long runs of spaces in parameters. */
function spaceFault(text: string): GraphFault | undefined {
  if (!/[\r\n\t]| {5}/.test(text)) return undefined
  return {
    code: 132018,
    details: 'Param text cannot have new-line/tab characters or more than 4 consecutive spaces',
  }
}

function buttonFault(expected: Map<string, string>, list: Json[]): GraphFault | undefined {
  if (expected.size === 0) return undefined
  const given = list.filter((part) => String(part?.type).toLowerCase() === 'button')
  for (const [index, subType] of expected) {
    const part = given.find(
      (each) => String(each.index) === index && String(each.sub_type).toLowerCase() === subType,
    )
    const [parameter, ...more] = parametersOf(part)
    if (parameter && more.length === 0) {
      const wrong = spaceFault(String(parameter.text ?? parameter.coupon_code ?? ''))
      if (wrong) return wrong
      continue
    }
    return {
      code: 131008,
      details: `buttons: Button at index ${index} of type ${subType} requires a parameter`,
    }
  }
  return undefined
}

function parametersOf(part: Json | undefined): Json[] {
  return Array.isArray(part?.parameters) ? (part.parameters as Json[]) : []
}
