import type { Schema } from '../../../services/api/src/docs/api-document.ts'

const simpleTypes: Readonly<Record<string, string>> = {
  string: 'string',
  number: 'number',
  integer: 'number',
  boolean: 'boolean',
  null: 'null',
}

/** The TypeScript type of a schema; throws for one that it does not know. */
export function typeText(schema: Schema): string {
  const choices = schema.anyOf ?? schema.oneOf
  if (schema.$ref) return schema.$ref.split('/').at(-1)!
  if (choices) return union(choices.map(typeText))
  if (schema.enum) return union(schema.enum.map(literal))
  if (schema.const !== undefined) return literal(schema.const)
  if (Array.isArray(schema.type))
    return union(schema.type.map((type) => typeText({ ...schema, type })))
  if (schema.type === undefined) return 'unknown'
  if (schema.type === 'array') return `readonly ${bracketed(typeText(schema.items ?? {}))}[]`
  if (schema.type === 'object') return objectText(schema)
  const simple = simpleTypes[schema.type as string]
  if (!simple) throw new Error(`There is no TypeScript for ${JSON.stringify(schema)}`)
  return simple
}

const union = (types: readonly string[]): string => [...new Set(types)].join(' | ')

const bracketed = (type: string): string => (/[ |]/.test(type) ? `(${type})` : type)

const literal = (value: unknown): string =>
  typeof value === 'string' ? `'${value.replaceAll(/['\\]/g, '\\$&')}'` : JSON.stringify(value)

function objectText({ properties, required = [], additionalProperties }: Schema): string {
  if (properties) return fieldsText(properties, required)
  const values =
    typeof additionalProperties === 'object' ? typeText(additionalProperties) : 'unknown'
  return `Readonly<Record<string, ${values}>>`
}

/** An object type; a field that has a description has it as its comment. */
export function fieldsText(
  fields: Readonly<Record<string, Schema>>,
  required: readonly string[],
): string {
  const lines = Object.entries(fields).map(([name, schema]) => {
    const isOptional = !required.includes(name) || schema.default !== undefined
    const comment = schema.description ? `/** ${schema.description} */\n` : ''
    return indented(`${comment}${name}${isOptional ? '?' : ''}: ${typeText(schema)}`)
  })
  return lines.length === 0 ? '{}' : `{\n${lines.join('\n')}\n}`
}

export const indented = (text: string): string => text.replaceAll(/^(?=.)/gm, '  ')
