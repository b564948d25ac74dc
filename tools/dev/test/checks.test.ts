import path from 'node:path'
import { expect, test } from 'vitest'
import { checkCycles } from '../import-cycles.ts'
import { checkImports, unusedPaths } from '../import-rules.ts'
import { knownCycles, packageImports, pathsAcross } from '../import-tables.ts'
import { parseSource, type SourceFile } from '../source-imports.ts'
import { workspacesOf } from '../workspaces.ts'

const campaigns = 'services/campaigns/src'

/** The workspaces that the sources below import, as each is named in its package.json. */
const workspaces = workspacesOf(
  [
    ...[
      'packages/contracts',
      'packages/database',
      'packages/messaging',
      'packages/telemetry',
      'packages/testing',
    ],
    ...['packages/locks', 'packages/rpc', 'services/contacts', 'tools/audit'],
  ].map((folder) => ({
    file: `${folder}/package.json`,
    text: JSON.stringify({
      name: `@lockstep/${path.basename(folder)}`,
      exports: { '.': './src/index.ts' },
    }),
  })),
)

const checkedImports = (files: SourceFile[]) => checkImports(files.map(parseSource), workspaces)

test.each([
  [
    'a path into another service',
    `${campaigns}/rpc/a.ts`,
    "import { x } from '../../../contacts/src/x.ts'",
    /must not leave services\/campaigns/,
  ],
  [
    'testing in production code',
    `${campaigns}/a.ts`,
    "import { until } from '@lockstep/testing'",
    /only tests and tools/,
  ],
  [
    'a rule that calls an endpoint',
    `${campaigns}/a.ts`,
    "import { x } from './rpc/x.ts'",
    /rules must not import endpoints/,
  ],
  [
    'a lane that uses an RPC',
    `${campaigns}/lanes/a.ts`,
    "import { x } from '../rpc/x.ts'",
    /one of another kind/,
  ],
  [
    'rows that know an endpoint',
    `${campaigns}/db/a.ts`,
    "export * from '../lanes/x.ts'",
    /db must not import endpoints/,
  ],
  [
    'an endpoint that makes its own context',
    `${campaigns}/rpc/a.ts`,
    "import {\n  createContext,\n} from '../context.ts'",
    /endpoints must not import context/,
  ],
  [
    'an import in the middle of the code',
    `${campaigns}/a.ts`,
    "const x = await import('./main.ts')",
    /rules must not import main/,
  ],
  [
    'the environment read in an endpoint',
    `${campaigns}/rpc/a.ts`,
    'const url = process.env.URL',
    /process\.env/,
  ],
])('%s is named with its line', (_what, file, code, rule) => {
  const breaches = checkedImports([{ file, text: `// a comment\n${code}\n` }])
  expect(breaches).toEqual([{ file, line: 2, rule: expect.stringMatching(rule) }])
})

test('rows use pure rules only', () => {
  const queries = {
    file: `${campaigns}/db/queries.ts`,
    text: "import { count } from '../statistics.ts'",
  }
  const pure = {
    file: `${campaigns}/statistics.ts`,
    text: "import { AppError } from '@lockstep/contracts'\nimport type { Tx } from '@lockstep/database'",
  }
  expect(checkedImports([queries, pure])).toEqual([])
  const impure = { ...pure, text: "import { query } from '@lockstep/database'" }
  expect(checkedImports([queries, impure])).toMatchObject([{ file: queries.file, line: 1 }])
})

test('types, tests, comments and the way down are free', () => {
  const text =
    "import type { Context } from '../context.ts'\nimport { find } from '../db/queries.ts'\n/** process.env is not read here. */"
  const main = {
    file: `${campaigns}/main.ts`,
    text: "import { run } from '@lockstep/service'\nimport { x } from './service.ts'\nrun(x)",
  }
  const run = { file: 'packages/service/src/run.ts', text: 'start(process.env)' }
  const atest = {
    file: 'services/campaigns/test/a.test.ts',
    text: "import { x } from '../../contacts/src/x.ts'\nimport { until } from '@lockstep/testing'",
  }
  expect(checkedImports([{ file: `${campaigns}/rpc/a.ts`, text }, main, run, atest])).toEqual([])
})

test.each([
  ['packages/contracts/src/a.ts', '@lockstep/telemetry'],
  ['packages/locks/src/a.ts', '@lockstep/messaging'],
  ['packages/messaging/src/a.ts', 'ioredis'],
  ['services/campaigns/src/a.ts', '@nats-io/jetstream'],
  ['services/campaigns/src/a.ts', '@lockstep/contacts'],
  ['services/campaigns/src/db/a.ts', 'pg'],
  ['services/campaigns/src/a.ts', 'kysely'],
  ['services/campaigns/src/a.ts', '@lockstep/audit'],
  ['packages/rpc/src/a.ts', '@lockstep/contacts'],
  ['packages/rpc/test/a.test.ts', '@lockstep/contacts'],
  ['packages/unheard/src/a.ts', '@lockstep/contracts'],
  ['tools/audit/src/a.ts', 'ioredis'],
])('%s must not import %s, not even a type of it', (file, name) => {
  const clean =
    file.startsWith('packages/contracts') || file.includes('unheard')
      ? 'zod'
      : '@lockstep/contracts'
  for (const words of ['import', 'import type']) {
    const text = (from: string) => `${words} { X } from '${from}'\nexport type Y = X\n`
    expect(checkedImports([{ file, text: text(clean) }])).toEqual([])
    expect(checkedImports([{ file, text: text(name) }])).toMatchObject([{ file, line: 1 }])
  }
})

test('drivers are free where they belong, and in tests', () => {
  const files = [
    'packages/locks/src/a.ts',
    'services/campaigns/test/a.test.ts',
    'tools/bench/src/a.ts',
    'test/a.test.ts',
  ]
  expect(
    checkedImports(files.map((file) => ({ file, text: "import { Redis } from 'ioredis'" }))),
  ).toEqual([])
  const entities = {
    file: `${campaigns}/db/entities.ts`,
    text: "import { defineEntity } from '@mikro-orm/core'",
  }
  expect(checkedImports([entities])).toEqual([])
})

test.each([
  ['an import after a comment that ends with a quote', "/* it's */ import { x } from './rpc/x.ts'"],
  ['a re-export', "export { x } from './rpc/x.ts'"],
  ['a type inside of an expression', "let x: import('@lockstep/contacts').X"],
  ['import() of a template without values', 'await import(`./rpc/x.ts`)'],
  ['the environment taken apart', 'const { env } = process'],
  ['the environment by a name in brackets', "const url = process['env'].URL"],
  ['the environment by its module', "import { env } from 'node:process'"],
])('%s is seen', (_what, text) => {
  expect(checkedImports([{ file: `${campaigns}/a.ts`, text }])).toMatchObject([{ line: 1 }])
})

test('what only looks like an import is none', () => {
  const text =
    "const a = `\nimport { x } from './rpc/x.ts'\n`\n// process.env\nconst b = 'process.env'"
  expect(checkedImports([{ file: `${campaigns}/a.ts`, text }])).toEqual([])
})

test('a file that cannot be read is named with its line', () => {
  expect(checkedImports([{ file: `${campaigns}/a.ts`, text: '\nconst a = (' }])).toMatchObject([
    { line: 2, rule: expect.stringMatching(/cannot be read/) },
  ])
})

test('a test is imported by tests beside it only', () => {
  const text = "import { x } from '../test/x.ts'"
  expect(checkedImports([{ file: 'services/campaigns/src/a.ts', text }])).toMatchObject([
    { line: 1 },
  ])
  expect(checkedImports([{ file: 'services/campaigns/test/a.ts', text }])).toEqual([])
  const other = {
    file: 'services/campaigns/test/a.ts',
    text: "import { x } from '../../contacts/test/x.ts'",
  }
  expect(checkedImports([other])).toMatchObject([{ line: 1 }])
})

test('a path leaves its tool only where the table of paths says so', () => {
  const inside = (file: string) => ({
    file,
    text: "import { x } from '../../../services/contacts/src/consent.ts'",
  })
  expect(checkedImports([inside('tools/audit/src/a.ts')])).toEqual([])
  expect(checkedImports([inside('tools/catalogue/src/a.ts')])).toMatchObject([
    { rule: expect.stringMatching(/must not leave tools/) },
  ])
})

test('a row of the table of paths that no import needs must go', () => {
  expect(unusedPaths([])).toHaveLength(pathsAcross.length)
  const text = "import { x } from '../../packages/servers/src/files.js'"
  const used = unusedPaths([parseSource({ file: 'tools/bootstrap/install.js', text })])
  expect(used.map(({ file }) => file)).not.toContain('tools/bootstrap/')
  expect(used).toHaveLength(pathsAcross.length - 1)
})

test('packages are listed with what they need above them', () => {
  const names = Object.keys(packageImports)
  for (const [name, imports] of Object.entries(packageImports))
    for (const other of imports)
      expect(names.slice(0, names.indexOf(name)), `${name} imports ${other}`).toContain(other)
})

const cyclesOf = (files: Record<string, string>, known: string[][] = []) =>
  checkCycles(
    Object.entries(files).map(([file, text]) => parseSource({ file, text })),
    workspaces,
    known,
  )

test('a cycle is named with its files, even of types and across packages', () => {
  const byType = {
    'packages/locks/src/a.ts': "export * from './b.ts'",
    'packages/locks/src/b.ts': "\nimport type { A } from './a.ts'\nimport { c } from './c.ts'",
    'packages/locks/src/c.ts': '',
  }
  expect(cyclesOf(byType)).toEqual([
    {
      file: 'packages/locks/src/a.ts',
      line: 1,
      rule: expect.stringMatching(/a\.ts → packages\/locks\/src\/b\.ts → .*a\.ts;/),
    },
  ])
  const acrossPackages = {
    'packages/locks/src/index.ts': "import { rpc } from '@lockstep/rpc'",
    'packages/rpc/src/index.ts': "export * from './inside.ts'",
    'packages/rpc/src/inside.ts': "import type { Lock } from '@lockstep/locks'",
  }
  expect(cyclesOf(acrossPackages)).toHaveLength(1)
  expect(cyclesOf({ ...acrossPackages, 'packages/rpc/src/inside.ts': '' })).toEqual([])
})

test('a known cycle is passed over until it is mended, and must go then', () => {
  const [a, b] = ['packages/locks/src/a.ts', 'packages/locks/src/b.ts']
  const cycle = { [a!]: "import './b.ts'", [b!]: "import './a.ts'" }
  expect(cyclesOf(cycle, [[a!, b!]])).toEqual([])
  expect(cyclesOf({ ...cycle, [b!]: '' }, [[a!, b!]])).toMatchObject([
    { rule: expect.stringMatching(/remove .* from knownCycles/) },
  ])
})

test('known cycles only become fewer', () => {
  expect(knownCycles.length).toBeLessThanOrEqual(5)
})
