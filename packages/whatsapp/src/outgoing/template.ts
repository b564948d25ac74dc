import { AppError } from '@lockstep/contracts'
import { isObject, type JsonObject, listOf, objectOf, textOf } from '../json.ts'
import { type Addressee, envelope, type MessageBody } from './message.ts'
import { collapseSpace } from './template-values.ts'

/** A value that a template needs before it can be sent. */
export interface TemplateVariable {
  /**
   * Name of the value, unique in the template: `body.1`, `body.first_name`, `header.1`,
   * `header.image`, `button.0.1`, `button.1.code`.
   */
  key: string
  component: 'header' | 'body' | 'button'
  /** What stands in the braces; the kind of media or code where there are none. */
  name: string
  kind: 'text' | 'image' | 'video' | 'document' | 'url' | 'copy_code'
  /** Position among the buttons, from 0. */
  index?: number
  /** As a person reads it: `{{2}} of its body`. */
  label: string
}

export interface SendableTemplate {
  name: string
  language: string
  /** As Meta returns them (Meta, templates/components). */
  components: readonly unknown[]
}

/**
 * The values that a template needs, in the order in which it shows them. Positional {{1}} and named
 * {{first_name}} alike; a repeated one counts once.
 */
export function templateVariables(components: readonly unknown[]): TemplateVariable[] {
  return components.filter(isObject).flatMap((component) => {
    switch (typeOf(component)) {
      case 'HEADER':
        return headerVariables(component)
      case 'BODY':
        return textVariables('body', textOf(component.text) ?? '')
      case 'BUTTONS':
        return listOf(component.buttons).flatMap((button, index) =>
          buttonVariables(objectOf(button), index),
        )
      default:
        return []
    }
  })
}

/**
 * Why a template can't be sent from here, in words, or null when it can. Its values alone don't
 * describe these kinds.
 */
export function unsupportedReason(components: readonly unknown[]): string | null {
  for (const component of components.filter(isObject)) {
    const type = typeOf(component)
    if (type === 'CAROUSEL') return 'it has a carousel'
    if (type === 'LIMITED_TIME_OFFER') return 'it has a limited-time offer'
    if (
      type === 'HEADER' &&
      !['TEXT', 'IMAGE', 'VIDEO', 'DOCUMENT'].includes(formatOf(component))
    ) {
      return `it has a header of the kind ${formatOf(component)}`
    }
    const button = listOf(component.buttons).find((item) =>
      ['MPM', 'SPM', 'CATALOG'].includes(typeOf(objectOf(item))),
    )
    if (button) return `it has a button of the kind ${typeOf(objectOf(button))}`
  }
  return null
}

/**
 * The body of the POST that sends a template. A value is found by its key (`body.1`), else by its
 * name where that is unambiguous. Throws `invalid` for a missing one, `precondition` for an
 * unsupported kind.
 */
export function buildTemplateMessage(message: {
  template: SendableTemplate
  to: Addressee
  values: Readonly<Record<string, string>>
  token: string
}): MessageBody {
  const { template, to, values, token } = message
  const unsupported = unsupportedReason(template.components)
  if (unsupported)
    throw new AppError(
      'precondition',
      `Template "${template.name}" can not be sent by Lockstep: ${unsupported}. Use another one.`,
    )
  const filled = templateVariables(template.components).map((variable) => ({
    variable,
    value: filledValue(template, variable, values),
  }))
  const components = ['header', 'body'].flatMap((type) => {
    const parameters = filled.filter(({ variable }) => variable.component === type).map(parameter)
    return parameters.length > 0 ? [{ type, parameters }] : []
  })
  const buttons = filled
    .filter(({ variable }) => variable.component === 'button')
    .map(buttonComponent)
  return {
    ...envelope(to, 'template', token),
    template: {
      name: template.name,
      language: { code: template.language },
      components: [...components, ...buttons],
    },
  }
}

interface Filled {
  variable: TemplateVariable
  value: string
}

function filledValue(
  template: SendableTemplate,
  variable: TemplateVariable,
  values: Readonly<Record<string, string>>,
): string {
  const bare = variable.component === 'body' || !/^\d+$/.test(variable.name)
  const value = own(values, variable.key) ?? (bare ? own(values, variable.name) : undefined)
  if (value === undefined || value.trim() === '') {
    throw new AppError(
      'invalid',
      `Template "${template.name}" needs a value for ${variable.label} (give it as "${variable.key}")`,
    )
  }
  return value
}

/**
 * A value that was given: a name such as `constructor` must not find what every object inherits.
 */
function own(values: Readonly<Record<string, string>>, key: string): string | undefined {
  return Object.hasOwn(values, key) ? values[key] : undefined
}

/**
 * Meta, templates/components: positional parameters in order, named ones with `parameter_name`;
 * media by a public link.
 */
function parameter({ variable, value }: Filled): object {
  if (variable.kind !== 'text') return { type: variable.kind, [variable.kind]: { link: value } }
  const text = collapseSpace(value)
  return isNumber(variable.name)
    ? { type: 'text', text }
    : { type: 'text', parameter_name: variable.name, text }
}

/**
 * As in Meta's examples for sending templates with buttons: position and kind stand beside the
 * parameter, and a one-time password button is sent as `url`.
 */
function buttonComponent({ variable, value }: Filled): object {
  const parameter =
    variable.kind === 'copy_code'
      ? { type: 'coupon_code', coupon_code: value }
      : { type: 'text', text: collapseSpace(value) }
  return {
    type: 'button',
    sub_type: variable.kind,
    index: String(variable.index),
    parameters: [parameter],
  }
}

function headerVariables(component: JsonObject): TemplateVariable[] {
  const format = formatOf(component)
  if (format === 'TEXT') return textVariables('header', textOf(component.text) ?? '')
  const kind = ({ IMAGE: 'image', VIDEO: 'video', DOCUMENT: 'document' } as const)[format]
  return kind
    ? [
        {
          key: `header.${kind}`,
          component: 'header',
          name: kind,
          kind,
          label: `the ${kind} of its header (a link)`,
        },
      ]
    : []
}

function textVariables(component: 'header' | 'body', text: string): TemplateVariable[] {
  return namesIn(text).map((name) => ({
    key: `${component}.${name}`,
    component,
    name,
    kind: 'text',
    label: `{{${name}}} of its ${component}`,
  }))
}

function buttonVariables(button: JsonObject, index: number): TemplateVariable[] {
  const of = `its button "${textOf(button.text) ?? index + 1}"`
  const common = { component: 'button', index } as const
  switch (typeOf(button)) {
    case 'URL':
      return namesIn(textOf(button.url) ?? '').map((name) => ({
        ...common,
        key: `button.${index}.${name}`,
        name,
        kind: 'url',
        label: `{{${name}}} of ${of}`,
      }))
    case 'OTP':
      return [
        {
          ...common,
          key: `button.${index}.code`,
          name: 'code',
          kind: 'url',
          label: `the code of ${of}`,
        },
      ]
    case 'COPY_CODE':
      return [
        {
          ...common,
          key: `button.${index}.code`,
          name: 'code',
          kind: 'copy_code',
          label: `the code of ${of}`,
        },
      ]
    default:
      return []
  }
}

/**
 * Names in double braces in order of first appearance; positional ones in order of their number,
 * which is how Meta takes them.
 */
function namesIn(text: string): string[] {
  const names = [...new Set([...text.matchAll(/\{\{\s*(\w+)\s*\}\}/g)].map((match) => match[1]!))]
  return names.every(isNumber) ? names.sort((a, b) => Number(a) - Number(b)) : names
}

const isNumber = (name: string): boolean => /^\d+$/.test(name)
const typeOf = (component: JsonObject): string => (textOf(component.type) ?? '').toUpperCase()
const formatOf = (component: JsonObject): string =>
  (textOf(component.format) ?? 'TEXT').toUpperCase()
