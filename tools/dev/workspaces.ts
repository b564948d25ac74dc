import path from 'node:path'
import { type Tier, tiers } from './import-tables.ts'
import type { Import, SourceFile } from './source-imports.ts'

/**
 * A folder with a package.json of its own, and the files that it exports by sub-path (`.` or
 * `./x`).
 */
interface Workspace {
  folder: string
  exports: Readonly<Record<string, string>>
}

/** By the name that others import. */
export type Workspaces = ReadonlyMap<string, Workspace>

/** The workspaces whose package.json is among the files. */
export function workspacesOf(files: readonly SourceFile[]): Workspaces {
  const manifests = files.filter(({ file }) => file.endsWith('/package.json'))
  return new Map(
    manifests.map(({ file, text }) => {
      const { name, exports = {} } = JSON.parse(text) as {
        name: string
        exports?: Record<string, string>
      }
      return [name, { folder: path.posix.dirname(file), exports }]
    }),
  )
}

/** Where a file stands. */
export interface Place {
  /** The folder of its workspace; `.` is the root. */
  home: string
  tier: Tier
  isTest: boolean
}

/** Where a path stands, which may be that of a folder. */
export function placeOf(file: string): Place {
  const [top = '', name = '', below] = file.split('/')
  if (!['packages', 'services', 'tools'].includes(top))
    return { home: '.', tier: 'test', isTest: true }
  const home = `${top}/${name}`
  return {
    home,
    tier: home === 'packages/contracts' ? 'contracts' : (top as Tier),
    isTest: below === 'test',
  }
}

/** Where an import leads; undefined for what isn't ours. */
export function targetPlace(
  { target, isRelative }: Import,
  workspaces: Workspaces,
): Place | undefined {
  if (isRelative) return placeOf(target)
  const workspace = workspaces.get(packageName(target))
  return workspace && placeOf(workspace.folder)
}

/** The file that an import leads to; undefined for what isn't ours, or is not one file. */
export function targetFile(
  { target, isRelative }: Import,
  workspaces: Workspaces,
): string | undefined {
  if (isRelative) return target
  const name = packageName(target)
  const workspace = workspaces.get(name)
  const exported = workspace?.exports[`.${target.slice(name.length)}`]
  return exported && path.posix.join(workspace.folder, exported)
}

/** The package of `@scope/name/sub/path` or `name/sub/path`. */
export const packageName = (target: string): string =>
  target.match(/^(?:@[^/]+\/)?[^/]+/)?.[0] ?? target

export const isAbove = (one: Tier, other: Tier): boolean =>
  tiers.indexOf(one) > tiers.indexOf(other)
