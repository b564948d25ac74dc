import path from 'node:path'

/** A file's path from the root of the repository, with slashes, and its text. */
export interface SourceFile {
  file: string
  text: string
}

/** A line that breaks a rule, and the rule in words. */
export interface Breach {
  file: string
  line: number
  rule: string
}

/**
 * Rules about imports that Biome's noRestrictedImports (biome.json) can't tell: layers inside a service, where `import type` is
 * free; paths that leave a package; and where the environment is read.
 */
export function checkImports(files: readonly SourceFile[]): Breach[] {
  const byFile = new Map(files.map((source) => [source.file, importsOf(source)]))
  return files.flatMap((source) => {
    const rules = byFile.get(source.file)!.flatMap((found) => {
      const rule = crossing(found) ?? testingRule(found) ?? layerRule(found, byFile)
      return rule ? [{ file: source.file, line: found.line, rule }] : []
    })
    return [...rules, ...environmentReads(source)].sort((a, b) => a.line - b.line)
  })
}

/** An import of a source file: static, of types, or `import()` of a path that is written out. */
export interface Import {
  file: string
  line: number
  /** A path from the root for a relative import, else the package's name as written. */
  target: string
  isRelative: boolean
  isType: boolean
}

const statement =
  /^(?:import|export)\s+(type\s)?(?:[^'"`;]*?\sfrom\s+)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm

/** The imports of one file, in their order. */
export function importsOf({ file, text }: SourceFile): Import[] {
  return [...text.matchAll(statement)].map((match) => {
    const name = match[2] ?? match[3]!
    const isRelative = name.startsWith('.')
    return {
      file,
      line: text.slice(0, match.index).split('\n').length,
      target: isRelative ? path.posix.join(path.posix.dirname(file), name) : name,
      isRelative,
      isType: match[1] !== undefined || /^import\s*\{(\s*type\s[^,{}]+,?)+\s*\}/.test(match[0]),
    }
  })
}

/** The package or service whose source a file is; undefined for tools and tests, which may import anything. */
function homeOf(file: string): string | undefined {
  return file.match(/^((?:packages|services)\/[^/]+)\/src\//)?.[1]
}

const isTesting = (home: string) => home === 'packages/testing'

function crossing({ file, target, isRelative }: Import): string | undefined {
  const home = homeOf(file)
  if (!home || isTesting(home) || !isRelative || target.startsWith(`${home}/`)) return undefined
  return `a path must not leave ${home}: import another package by its name (here: ${target})`
}

function testingRule({ file, target }: Import): string | undefined {
  const home = homeOf(file)
  if (!home || isTesting(home) || !/^(@lockstep\/testing|vitest|fast-check)\b/.test(target))
    return undefined
  return `only tests and tools import ${target}`
}

const layers = ['main', 'service', 'config', 'context', 'doors', 'rules', 'db'] as const
type Layer = (typeof layers)[number]

/** What a layer of a service may import; `import type` is free. Doors of one kind, and rules, also import one another. */
const mayImport: Record<Layer, readonly Layer[]> = {
  main: ['service'],
  service: ['config', 'context', 'doors', 'rules', 'db'],
  config: ['rules'],
  context: ['rules', 'db'],
  doors: ['doors', 'rules', 'db'],
  rules: ['rules', 'db'],
  db: ['db', 'rules'],
}

/** The layer of a file below a service's `src`. What stands beside the fixed files are rules, and the steps that doors share. */
function layerOf(inside: string): Layer {
  const fixed = inside.match(/^(main|service|config|context)\.ts$/)?.[1]
  if (fixed) return fixed as Layer
  if (/^(rpc|lanes|jobs|http)(\/|\.ts$)/.test(inside)) return 'doors'
  return inside.startsWith('db/') ? 'db' : 'rules'
}

function layerRule(
  { file, target, isRelative, isType }: Import,
  imports: ReadonlyMap<string, Import[]>,
): string | undefined {
  const src = file.match(/^services\/[^/]+\/src\//)?.[0]
  if (!src || !isRelative || isType || !target.startsWith(src)) return undefined
  const [from, to] = [file.slice(src.length), target.slice(src.length)]
  const [layer, other] = [layerOf(from), layerOf(to)]
  const refuse = (words: string) => `${words} (main → service → doors → rules, db): ${to}`
  if (!mayImport[layer].includes(other)) return refuse(`${layer} must not import ${other}`)
  if (layer === 'doors' && other === 'doors' && from.split('/')[0] !== to.split('/')[0])
    return refuse('a door must not import a door of another kind')
  if (layer === 'db' && other === 'rules' && !isPure(target, imports))
    return refuse('db must not import what is more than a pure rule')
  return undefined
}

/** A pure rule needs nothing of ours but contracts, what Meta means by its words, and other pure rules. */
function isPure(
  file: string,
  imports: ReadonlyMap<string, Import[]>,
  seen = new Set<string>(),
): boolean {
  if (seen.has(file)) return true
  seen.add(file)
  return (imports.get(file) ?? []).every(({ target, isRelative, isType }) => {
    if (isType) return true
    if (!isRelative)
      return !target.startsWith('@lockstep/') || /^@lockstep\/(contracts|whatsapp)$/.test(target)
    return /\/src\/(?!db\/)/.test(target) && isPure(target, imports, seen)
  })
}

/** The environment is read once a process, where it starts. */
function environmentReads({ file, text }: SourceFile): Breach[] {
  const home = homeOf(file)
  const allowed =
    /^packages\/service\/src\/run\.ts$|^packages\/telemetry\/src\/preload\.ts$|^packages\/(testing|system)\//
  if (!home || allowed.test(file)) return []
  return text.split('\n').flatMap((line, i) => {
    const code = line.replace(/\/\/.*|^\s*\/?\*.*/, '')
    return /\bprocess\.env\b/.test(code)
      ? [
          {
            file,
            line: i + 1,
            rule: 'process.env stands only in packages/service/src/run.ts: pass the value on',
          },
        ]
      : []
  })
}
