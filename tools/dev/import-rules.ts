import path from 'node:path'
import {
  drivers,
  environmentReaders,
  packageImports,
  pathsAcross,
  serviceImports,
  testingPackages,
} from './import-tables.ts'
import { layerRule } from './layer-rules.ts'
import type { Import, ParsedSource } from './source-imports.ts'
import {
  isAbove,
  type Place,
  packageName,
  placeOf,
  targetPlace,
  type Workspaces,
} from './workspaces.ts'

/** A line that breaks a rule, and the rule in words. */
export interface Breach {
  file: string
  line: number
  rule: string
}

/**
 * Who may import whom, and who may read the environment, by the tables of `import-tables.ts`. Types
 * count.
 */
export function checkImports(sources: readonly ParsedSource[], workspaces: Workspaces): Breach[] {
  const imports = new Map(sources.map((source) => [source.file, source.imports]))
  return sources.flatMap((source) => {
    const { file, unreadable } = source
    if (unreadable)
      return [{ file, line: unreadable.line, rule: `cannot be read: ${unreadable.message}` }]
    const rules = source.imports.flatMap((one) => {
      const rule = importRule(one, workspaces) ?? layerRule(one, imports)
      return rule ? [{ file, line: one.line, rule }] : []
    })
    return [...rules, ...environmentReads(source)].sort((a, b) => a.line - b.line)
  })
}

/** Rows of the table of paths that no import needs any more. */
export function unusedPaths(sources: readonly ParsedSource[]): Breach[] {
  const imports = sources.flatMap((source) => source.imports)
  return pathsAcross
    .filter((row) => !imports.some((one) => one.isRelative && isRowOf(row, one)))
    .map(({ from, to }) => ({
      file: from,
      line: 1,
      rule: `imports no path into ${to} any more: remove the row from pathsAcross`,
    }))
}

const isRowOf = ({ from, to }: { from: string; to: string }, { file, target }: Import): boolean =>
  file.startsWith(from) && target.startsWith(to)

function importRule(one: Import, workspaces: Workspaces): string | undefined {
  const from = placeOf(one.file)
  const to = targetPlace(one, workspaces)
  return (
    crossing(one, from, to) ??
    testingRule(one, from) ??
    (to ? directionRule(from, to) : driverRule(one, from))
  )
}

function crossing(one: Import, from: Place, to: Place | undefined): string | undefined {
  if (!one.isRelative || !to || from.home === to.home) return undefined
  if (from.isTest || pathsAcross.some((row) => isRowOf(row, one))) return undefined
  return `a path must not leave ${from.home}: import another package by its name (here: ${one.target})`
}

function testingRule({ target }: Import, { home, tier, isTest }: Place): string | undefined {
  if (isTest || tier === 'tools' || home === 'packages/testing') return undefined
  return testingPackages.includes(packageName(target))
    ? `only tests and tools import ${target}`
    : undefined
}

function directionRule(from: Place, to: Place): string | undefined {
  if (from.home === to.home)
    return to.isTest && !from.isTest ? `only tests import a test of ${to.home}` : undefined
  if (to.isTest) return `nothing imports a test of ${to.home === '.' ? 'the repository' : to.home}`
  // A package's test stays below services; others may look at all that runs.
  const tier =
    from.isTest && from.home.startsWith('packages/') ? 'packages' : from.isTest ? 'test' : from.tier
  if (isAbove(to.tier, tier))
    return `${from.home} must not import ${to.home} (contracts ← packages ← services ← tools ← test)`
  if (from.isTest || from.tier === 'tools') return undefined
  const [name, target] = [path.posix.basename(from.home), path.posix.basename(to.home)]
  const allowed = from.tier === 'services' ? serviceImports : packageImports[name]
  if (!allowed)
    return `${from.home} has no row in packageImports (tools/dev/import-tables.ts), which says what it may import`
  return allowed.includes(target)
    ? undefined
    : `of ours, ${from.home} imports ${allowed.join(', ') || 'nothing'} only, not ${target}`
}

function driverRule({ file, target }: Import, { home, isTest }: Place): string | undefined {
  const name = packageName(target)
  const driver = drivers.find(({ packages }) =>
    packages.some((pattern) => path.matchesGlob(name, pattern)),
  )
  if (!driver || isTest || home === driver.owner || isBelow(file, Object.keys(driver.besides)))
    return undefined
  return `${name} belongs to ${driver.owner}: use what that exports`
}

/**
 * Whether a file is one of some files or in one of some folders; `*` in them stands for one name.
 */
const isBelow = (file: string, patterns: readonly string[]): boolean =>
  patterns.some(
    (pattern) => path.matchesGlob(file, pattern) || path.matchesGlob(file, `${pattern}/**`),
  )

function environmentReads({ file, environmentLines }: ParsedSource): Breach[] {
  const { tier, isTest } = placeOf(file)
  if (isTest || tier === 'tools' || isBelow(file, Object.keys(environmentReaders))) return []
  const rule = 'process.env stands only in packages/service/src/run.ts: pass the value on'
  return environmentLines.map((line) => ({ file, line, rule }))
}
