import path from 'node:path'
import { type ParseResult, parseSync, Visitor } from 'oxc-parser'

/** A file's path from the root of the repository, with slashes, and its text. */
export interface SourceFile {
  file: string
  text: string
}

/** An import or re-export of a source file, or `import()` of a path that is written out. */
export interface Import {
  file: string
  line: number
  /** A path from the root for a relative import, else the package's name as written. */
  target: string
  isRelative: boolean
  /** It is erased at run time. */
  isType: boolean
}

/** What the rules need of one file. */
export interface ParsedSource {
  file: string
  imports: Import[]
  /** Lines that read `process.env` in any way. */
  environmentLines: number[]
  /** Where its syntax is wrong, and how; then there are no imports. */
  unreadable?: { line: number; message: string }
}

interface Found {
  at: number
  name: string
  isType: boolean
}

/** Reads the imports of one file, in their order. */
export function parseSource({ file, text }: SourceFile): ParsedSource {
  const parsed = parseSync(file, text)
  const [error] = parsed.errors
  if (error) {
    const unreadable = { line: lineAt(text, error.labels[0]?.start ?? 0), message: error.message }
    return { file, imports: [], environmentLines: [], unreadable }
  }
  const inside = walk(parsed, text)
  const found = [...staticImports(parsed), ...reExports(parsed), ...inside.imports].sort(
    (a, b) => a.at - b.at,
  )
  return {
    file,
    imports: found.map(({ at, name, isType }) => {
      const isRelative = name.startsWith('.')
      const target = isRelative ? path.posix.join(path.posix.dirname(file), name) : name
      return { file, line: lineAt(text, at), target, isRelative, isType }
    }),
    environmentLines: inside.environmentReads.map((at) => lineAt(text, at)),
  }
}

const lineAt = (text: string, at: number): number => text.slice(0, at).split('\n').length

const allTypes = (entries: readonly { isType: boolean }[]): boolean =>
  entries.length > 0 && entries.every(({ isType }) => isType)

function staticImports({ module }: ParseResult): Found[] {
  return module.staticImports.map(({ start, moduleRequest, entries }) => ({
    at: start,
    name: moduleRequest.value,
    isType: allTypes(entries),
  }))
}

function reExports({ module }: ParseResult): Found[] {
  return module.staticExports.flatMap(({ start, entries }) => {
    const name = entries.find(({ moduleRequest }) => moduleRequest)?.moduleRequest?.value
    return name ? [{ at: start, name, isType: allTypes(entries) }] : []
  })
}

/** What only the syntax tree tells; most files have none of it and are not walked. */
function walk(
  { program }: ParseResult,
  text: string,
): { imports: Found[]; environmentReads: number[] } {
  const imports: Found[] = []
  const environmentReads: number[] = []
  if (!/\bimport\s*\(|\bprocess\b/.test(text)) return { imports, environmentReads }
  new Visitor({
    ImportExpression({ start, source }) {
      if (source.type === 'Literal')
        imports.push({ at: start, name: String(source.value), isType: false })
      else if (source.type === 'TemplateLiteral' && source.expressions.length === 0)
        imports.push({ at: start, name: source.quasis[0]!.value.raw, isType: false })
    },
    TSImportType({ start, source }) {
      imports.push({ at: start, name: source.value, isType: true })
    },
    MemberExpression({ start, object, property }) {
      const name =
        property.type === 'Literal' ? property.value : 'name' in property && property.name
      if (object.type === 'Identifier' && object.name === 'process' && name === 'env')
        environmentReads.push(start)
    },
    VariableDeclarator({ start, id, init }) {
      if (init?.type !== 'Identifier' || init.name !== 'process' || id.type !== 'ObjectPattern')
        return
      const takesEnv = id.properties.some(
        (one) => one.type === 'RestElement' || ('name' in one.key && one.key.name === 'env'),
      )
      if (takesEnv) environmentReads.push(start)
    },
    ImportDeclaration({ start, source }) {
      if (/^(node:)?process$/.test(source.value)) environmentReads.push(start)
    },
  }).visit(program)
  return { imports, environmentReads }
}
