import { isBuiltin } from 'node:module'
import path from 'node:path'
import type { Breach } from './import-rules.ts'
import type { Import, ParsedSource, SourceFile } from './source-imports.ts'
import { packageName } from './workspaces.ts'

type Section = 'dependencies' | 'devDependencies'
type Manifest = Partial<Record<Section, Record<string, string>>>

/** What the root names although no file imports it, and what uses it. */
const programs: Readonly<Record<string, string>> = {
  '@biomejs/biome': 'formats and lints (tools/dev/checks.ts)',
  '@bufbuild/buf': 'generates the gRPC code (tools/dev/generated.ts)',
  'ts-proto': "is buf's plugin (proto/buf.gen.yaml)",
  knip: 'finds exports that nobody needs (tools/dev/checks.ts)',
  typescript: 'checks types (tools/dev/checks.ts)',
  '@types/node': 'is found from every workspace, as each uses Node',
  node: 'is the Node that runs everything (tools/bootstrap/install.js)',
  '@lockstep/telemetry':
    'has the preload: `node --import @lockstep/telemetry/preload` looks for it in the folder where it is started',
}

/** What tests import without naming it: the root's vitest runs the tests of all workspaces, a copy of their own could not. */
const runsTests = 'vitest'

/**
 * Every package.json names what its workspace imports, and nothing else: in `dependencies` what its code imports, types included,
 * in `devDependencies` what only its tests do.
 */
export function checkDependencies(
  manifests: readonly SourceFile[],
  sources: readonly ParsedSource[],
): Breach[] {
  const homes = new Set(manifests.map(({ file }) => path.posix.dirname(file)))
  const byHome = Map.groupBy(sources, ({ file }) => homeOf(file, homes))
  return manifests.flatMap((manifest) =>
    checkWorkspace(manifest, byHome.get(path.posix.dirname(manifest.file)) ?? []),
  )
}

/** The nearest folder above a file that has a package.json; the root is `.`. */
function homeOf(file: string, homes: ReadonlySet<string>): string {
  let home = path.posix.dirname(file)
  while (home !== '.' && !homes.has(home)) home = path.posix.dirname(home)
  return home
}

function checkWorkspace({ file, text }: SourceFile, sources: readonly ParsedSource[]): Breach[] {
  const manifest: Manifest = JSON.parse(text)
  const names = { ...manifest.dependencies, ...manifest.devDependencies }
  const imported = importedPackages(path.posix.dirname(file), sources)
  const unnamed = [...imported].flatMap(([name, { section, by }]) => {
    if (name in names || (name === runsTests && section === 'devDependencies')) return []
    return [
      {
        file: by.file,
        line: by.line,
        rule: `imports ${name}, which ${file} does not name: add it to ${section}`,
      },
    ]
  })
  const misnamed = (['dependencies', 'devDependencies'] as const).flatMap((section) =>
    Object.keys(manifest[section] ?? {}).flatMap((name) => {
      if (file === 'package.json' && name in programs) return []
      const rule = misplaced(name, section, imported.get(name.replace(/^@types\//, ''))?.section)
      return rule
        ? [{ file, line: text.slice(0, text.indexOf(`"${name}":`)).split('\n').length, rule }]
        : []
    }),
  )
  return [...unnamed, ...misnamed]
}

/** What is wrong with a name in a section; `wanted` is where the imports put it, if there are any. */
function misplaced(
  name: string,
  section: Section,
  wanted: Section | undefined,
): string | undefined {
  if (!wanted) return `names ${name} in ${section}, which no file here imports: remove it`
  if (wanted === section) return undefined
  const who = wanted === 'dependencies' ? 'not only tests import' : 'only tests import'
  return `names ${name} in ${section}, which ${who}: move it to ${wanted}`
}

/** Packages that a workspace imports, each with the section it belongs to and an import that puts it there. */
function importedPackages(
  home: string,
  sources: readonly ParsedSource[],
): Map<string, { section: Section; by: Import }> {
  const imported = new Map<string, { section: Section; by: Import }>()
  for (const by of sources.flatMap(({ imports }) => imports)) {
    if (by.isRelative || isBuiltin(by.target)) continue
    const name = packageName(by.target)
    // The root holds tests and their configuration only.
    const section =
      home === '.' || by.file.startsWith(`${home}/test/`) ? 'devDependencies' : 'dependencies'
    if (!imported.has(name) || section === 'dependencies') imported.set(name, { section, by })
  }
  return imported
}
