import { type Html, html, withCode } from '../pages/html.ts'
import type { Schema } from './api-document.ts'

/** The anchor of a component. */
export const schemaAnchor = (name: string): string => `schema-${name}`

const nameOf = (ref: string): string => ref.split('/').at(-1)!

/** Fields that stand in one another so deep are left to the document. */
const maxDepth = 4

/** What a value is, in a few words. */
export function typeOfSchema(schema: Schema): Html {
  const choices = schema.anyOf ?? schema.oneOf ?? schema.allOf
  if (schema.$ref) {
    const name = nameOf(schema.$ref)
    return html`<a href="#${schemaAnchor(name)}">${name}</a>`
  }
  if (choices) return joined(choices.map(typeOfSchema), ' or ')
  if (schema.enum) return joined(schema.enum.map(literal), ' or ')
  if (schema.const !== undefined) return literal(schema.const)
  if (schema.items) return html`list of ${typeOfSchema(schema.items)}`
  if (schema.type === 'object' && typeof schema.additionalProperties === 'object')
    return html`object of ${typeOfSchema(schema.additionalProperties)}`
  return html`${plainType(schema)}`
}

const literal = (value: unknown): Html => html`<code>${JSON.stringify(value)}</code>`

const joined = (parts: readonly Html[], between: string): Html =>
  html`${parts.map((part, at) => html`${at > 0 && between}${part}`)}`

function plainType({ type = 'any JSON', format }: Schema): string {
  const names = typeof type === 'string' ? [type] : type
  return names.join(' or ') + (format ? ` (${format})` : '')
}

/** What a value must be beside its type. */
function bounds(schema: Schema): string {
  const { minimum, maximum, minLength, maxLength, minItems, maxItems } = schema
  const range = (least = 0, most: number | undefined, unit: string) =>
    most === undefined ? `at least ${least}${unit}` : `${least} to ${most}${unit}`
  const said = []
  if (minimum !== undefined || maximum !== undefined) said.push(range(minimum, maximum, ''))
  if (minLength || maxLength) said.push(range(minLength, maxLength, ' characters'))
  if (minItems || maxItems) said.push(range(minItems, maxItems, ' items'))
  if (schema.default !== undefined) said.push(`default ${JSON.stringify(schema.default)}`)
  return said.join(', ')
}

/** One row of a table of fields. */
export function fieldRow(name: string, schema: Schema, isRequired: boolean): Html {
  const said = [schema.description, bounds(schema)].filter(Boolean).join('; ')
  return html`<tr><td><code>${name}</code></td><td>${typeOfSchema(schema)}</td>
<td>${isRequired ? 'yes' : ''}</td><td>${withCode(said)}</td></tr>`
}

/** Rows of all fields, those of inner objects with a dotted name. */
export function fieldRows(schema: Schema, prefix = '', depth = 0): Html[] {
  if (depth > maxDepth) return []
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const path = prefix + name
    const inner = innerObject(field)
    return [
      fieldRow(path, field, schema.required?.includes(name) ?? false),
      ...fieldRows(inner, `${path}${field.items ? '[]' : ''}.`, depth + 1),
    ]
  })
}

/** The object that a field holds itself, in a list, or beside null. */
function innerObject(field: Schema): Schema {
  const choice = field.anyOf?.find(({ properties }) => properties)
  return choice ?? field.items ?? field
}

export function fieldTable(rows: readonly Html[]): Html {
  return html`<table><thead><tr><th>field</th><th>is</th><th>always</th><th></th></tr></thead>
<tbody>${rows}</tbody></table>`
}
