import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'

/**
 * Exports that nobody imports and that still stand, by file. Only removing is right: a new one
 * loses its `export`, or goes.
 */
export const knownDeadExports: Readonly<Record<string, readonly string[]>> = {
  'packages/contracts/src/locks.ts': ['WhenBusy'],
  'packages/rpc/src/peers.ts': ['Peer'],
  'packages/service/src/define.ts': ['RpcMethods', 'Job', 'PublicHttp'],
  'packages/feeds/src/index.ts': ['DeadEntry', 'FeedAppend', 'FeedCounts', 'Trouble'],
  'packages/service/test/fixtures/lane.ts': ['scale'],
  'packages/system/src/services.ts': ['Ports'],
  'packages/testing/src/world.ts': ['Killable'],
}

interface Named {
  name: string
  line?: number
}

/** What is asked of knip; duplicates come as groups of names. */
const kinds = [
  'files',
  'exports',
  'nsExports',
  'types',
  'nsTypes',
  'enumMembers',
  'duplicates',
] as const

/** What knip's JSON reporter says: by file, lists of names by the kind of issue. */
interface KnipReport {
  issues: ({ file: string } & Record<(typeof kinds)[number], readonly (Named | Named[])[]>)[]
}

/** Runs the repository's knip in a folder that has a knip.json. */
export async function findDeadExports(root: string, folder: string): Promise<KnipReport> {
  const knip = path.join(root, 'node_modules/knip/bin/knip.js')
  const args = [knip, '--reporter', 'json', '--no-progress', '--no-config-hints', '--no-exit-code']
  args.push('--include', kinds.join(','))
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    cwd: folder,
    maxBuffer: 16 * 1024 * 1024,
  })
  return JSON.parse(stdout)
}

/**
 * What knip found that isn't known, and what is known and is found no more; in words, with the
 * place.
 */
export function compareExports(
  report: KnipReport,
  known: Readonly<Record<string, readonly string[]>>,
): string[] {
  const found = report.issues.flatMap((issue) =>
    kinds.flatMap((kind) => issue[kind].flat().map((one) => ({ file: issue.file, kind, ...one }))),
  )
  const fresh = found.filter(({ file, name }) => !known[file]?.includes(name))
  const gone = Object.entries(known).flatMap(([file, names]) =>
    names
      .filter((name) => !found.some((one) => one.file === file && one.name === name))
      .map((name) => `${file}: ${name}`),
  )
  return [
    ...fresh.map(({ file, kind, name, line = 1 }) => `${file}:${line}  ${words(kind, name)}`),
    ...gone.map((place) => `${place} is dead no more: remove it from knownDeadExports`),
  ]
}

function words(kind: string, name: string): string {
  if (kind === 'files')
    return 'nothing imports this file: delete it, or name it as an entry in knip.json if something starts it'
  return `nothing imports ${name} (${kind}): take its \`export\` away, or delete it`
}
