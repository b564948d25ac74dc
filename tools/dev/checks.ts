import path from 'node:path'
import { runGroup } from './process-group.ts'
import type { Screen } from './screen.ts'

/** What must hold besides the tests: a program that ends with 0. */
export interface Check {
  name: string
  args: readonly string[]
}

export interface CheckResult {
  name: string
  ok: boolean
  ms: number
  /** What it printed. */
  output: string
}

/** All checks, the longest first. */
const checks: readonly Check[] = [
  {
    name: 'Types',
    args: [
      'node_modules/typescript/bin/tsc',
      '-p',
      '.',
      '--incremental',
      '--tsBuildInfoFile',
      '.lockstep/check/types',
    ],
  },
  { name: 'Dead exports', args: ['tools/dev/check-exports.ts'] },
  {
    name: 'Format and lint',
    args: [
      'node_modules/@biomejs/biome/bin/biome',
      'ci',
      '--colors=off',
      '--error-on-warnings',
      '.',
    ],
  },
  { name: 'Import rules', args: ['tools/dev/check-imports.ts'] },
  { name: 'Generated gRPC code', args: ['tools/dev/generate.ts', '--check'] },
  { name: 'Contracts in proto/', args: ['tools/dev/check-proto.ts', '--lint'] },
  { name: 'Catalogue', args: ['tools/catalogue/main.ts', '--check'] },
  { name: 'Paths in the documentation', args: ['tools/dev/check-docs.ts'] },
  { name: 'Commit subjects', args: ['tools/dev/check-commits.ts'] },
]

/** More at once would only take one another's time on a small machine. */
const atOnce = 2

const root = path.resolve(import.meta.dirname, '../..')

/**
 * Runs checks side by side; answers in their order. Rejects with the signal's reason when it
 * aborts, and all of them end.
 */
export async function runChecks(
  signal: AbortSignal,
  which: readonly Check[] = checks,
): Promise<CheckResult[]> {
  const results: CheckResult[] = []
  const waiting = [...which.entries()]
  const work = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const [i, { name, args }] = next
      const startedAt = performance.now()
      const { ok, output } = await runGroup([...args], { cwd: root, show: false, signal })
      signal.throwIfAborted()
      results[i] = { name, ok, ms: performance.now() - startedAt, output }
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  return results
}

/** A table of all, then what those that failed have printed. */
export function showChecks(screen: Screen, results: readonly CheckResult[]): void {
  const rows = results.map(({ name, ok, ms }) => [
    ok ? screen.good('✓') : screen.bad('✗'),
    name,
    `${(ms / 1000).toFixed(1)} s`,
  ])
  screen.table(['', 'check', 'time'], rows)
  for (const { name, ok, output } of results) {
    if (ok) continue
    screen.line(`\n  ${screen.bad('✗')} ${name}`)
    screen.line(output.trimEnd().replace(/^/gm, '    '))
  }
}
