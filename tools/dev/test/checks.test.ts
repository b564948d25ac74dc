import { spawnSync } from 'node:child_process'
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import { checkDependencies } from '../dependency-rules.ts'
import { checkDocuments } from '../doc-paths.ts'
import { differentFiles, generateInto } from '../generated.ts'
import { checkImports } from '../import-rules.ts'

const root = path.resolve(import.meta.dirname, '../../..')

/** A folder of its own for one test. */
function folder(): Disposable & { dir: string; write(file: string, text: string): void } {
  const dir = mkdtempSync(path.join(tmpdir(), 'lockstep-checks-'))
  return {
    dir,
    write(file, text) {
      mkdirSync(path.dirname(path.join(dir, file)), { recursive: true })
      writeFileSync(path.join(dir, file), text)
    },
    [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }),
  }
}

const campaigns = 'services/campaigns/src'

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
    'a rule that opens a door',
    `${campaigns}/a.ts`,
    "import { x } from './rpc/x.ts'",
    /rules must not import doors/,
  ],
  [
    'a lane that uses an RPC',
    `${campaigns}/lanes/a.ts`,
    "import { x } from '../rpc/x.ts'",
    /a door of another kind/,
  ],
  [
    'rows that know a door',
    `${campaigns}/db/a.ts`,
    "export * from '../lanes/x.ts'",
    /db must not import doors/,
  ],
  [
    'a door that makes its own context',
    `${campaigns}/rpc/a.ts`,
    "import {\n  createContext,\n} from '../context.ts'",
    /doors must not import context/,
  ],
  [
    'an import in the middle of the code',
    `${campaigns}/a.ts`,
    "const x = await import('./main.ts')",
    /rules must not import main/,
  ],
  [
    'the environment read in a door',
    `${campaigns}/rpc/a.ts`,
    'const url = process.env.URL',
    /process\.env/,
  ],
])('%s is named with its line', (_what, file, code, rule) => {
  const breaches = checkImports([{ file, text: `// a comment\n${code}\n` }])
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
  expect(checkImports([queries, pure])).toEqual([])
  const impure = { ...pure, text: "import { query } from '@lockstep/database'" }
  expect(checkImports([queries, impure])).toMatchObject([{ file: queries.file, line: 1 }])
})

test('types, tests, comments and the way down are free', () => {
  const text =
    "import type { Context } from '../context.ts'\nimport { find } from '../db/queries.ts'\n/** process.env is not read here. */"
  const main = {
    file: `${campaigns}/main.ts`,
    text: "import { start } from './service.ts'\nstart(process.env)",
  }
  const atest = {
    file: 'services/campaigns/test/a.test.ts',
    text: "import { x } from '../../contacts/src/x.ts'\nimport { until } from '@lockstep/testing'",
  }
  expect(checkImports([{ file: `${campaigns}/rpc/a.ts`, text }, main, atest])).toEqual([])
})

/** Checks a workspace with the dependencies (on the fourth line of its package.json) and the code given. */
function workspace(
  named: { dependencies?: string; devDependencies?: string },
  code: Record<string, string>,
) {
  const sections = Object.entries(named).map(([section, name]) => [section, { [name!]: '1.0.0' }])
  const manifest = JSON.stringify({ name: 'campaigns', ...Object.fromEntries(sections) }, null, 2)
  const files = Object.entries({ 'package.json': manifest, ...code })
  return checkDependencies(
    files.map(([file, text]) => ({ file: `services/campaigns/${file}`, text })),
  )
}

test.each([
  [
    'an import that is not named',
    {},
    { 'src/a.ts': "\nimport { b } from 'b'" },
    'src/a.ts:2',
    /imports b.* add it to dependencies/,
  ],
  [
    'a sub-path of it',
    {},
    { 'main.ts': "import type { c } from '@b/c/lib/d.js'" },
    'main.ts:1',
    /imports @b\/c, .* add it to dependencies/,
  ],
  [
    "a test's import that is not named",
    {},
    { 'test/a.ts': "import 'b'" },
    'test/a.ts:1',
    /imports b.* add it to devDependencies/,
  ],
  [
    'vitest in what is not a test',
    {},
    { 'a.ts': "await import('vitest')" },
    'a.ts:1',
    /imports vitest.* add it to dependencies/,
  ],
  [
    'a package that nobody imports',
    { dependencies: 'b' },
    { 'src/a.ts': '' },
    'package.json:4',
    /names b .* remove it/,
  ],
  [
    'a program of the root',
    { devDependencies: 'typescript' },
    {},
    'package.json:4',
    /names typescript .* remove it/,
  ],
  [
    'types of nothing imported',
    { dependencies: '@types/b' },
    {},
    'package.json:4',
    /names @types\/b .* remove it/,
  ],
  [
    'a dependency that only tests import',
    { dependencies: 'b' },
    { 'test/a.ts': "import 'b'" },
    'package.json:4',
    /only tests import: move it to devDependencies/,
  ],
  [
    'a dependency of the code that is named for tests',
    { devDependencies: 'b' },
    { 'test/a.ts': "import 'b'", 'webhooks.ts': "import 'b'" },
    'package.json:4',
    /not only tests import: move it to dependencies/,
  ],
])('%s is named with its line and what to do', (_what, named, code, place, rule) => {
  const [file, line] = place.split(':')
  expect(workspace(named, code)).toEqual([
    { file: `services/campaigns/${file}`, line: Number(line), rule: expect.stringMatching(rule) },
  ])
})

test('a workspace names what it imports, the root what its tests import and what it runs', () => {
  const code = {
    'src/a.ts':
      "import fs from 'node:fs'\nimport path from 'path'\nimport { b } from './b.ts'\nexport type { C } from 'c/types'",
    'test/a.test.ts':
      "import { test } from 'vitest'\nimport { stack } from '../../../test/stack.ts'\nimport { c } from 'c'",
  }
  expect(workspace({ dependencies: 'c' }, code)).toEqual([])
  expect(workspace({ devDependencies: '@types/c' }, { 'test/a.ts': "import 'c'" })).toMatchObject([
    { rule: expect.stringMatching(/imports c,/) },
  ])
  const root = {
    file: 'package.json',
    text: JSON.stringify({ devDependencies: { typescript: '1.0.0', vitest: '1.0.0' } }),
  }
  const config = { file: 'vitest.config.ts', text: "import { defineConfig } from 'vitest/config'" }
  const other = { file: 'services/campaigns/package.json', text: '{}' }
  expect(checkDependencies([root, config, other])).toEqual([])
  expect(checkDependencies([root, other])).toMatchObject([
    { file: 'package.json', rule: expect.stringMatching(/names vitest .* remove it/) },
  ])
})

test.each([
  ['packages/contracts/src/a.ts', '@lockstep/telemetry'],
  ['packages/locks/src/a.ts', '@lockstep/messaging'],
  ['packages/messaging/src/a.ts', 'ioredis'],
  ['services/campaigns/src/a.ts', '@nats-io/jetstream'],
  ['services/campaigns/src/a.ts', '@lockstep/contacts'],
  ['services/campaigns/src/db/a.ts', 'pg'],
])('Biome refuses in %s an import of %s', (file, name) => {
  using at = folder()
  cpSync(path.join(root, 'biome.json'), path.join(at.dir, 'biome.json'))
  const lint = () => {
    const args = [
      path.join(root, 'node_modules/@biomejs/biome/bin/biome'),
      'lint',
      '--vcs-enabled=false',
      '--only=noRestrictedImports',
      '.',
    ]
    return spawnSync(process.execPath, args, { cwd: at.dir, encoding: 'utf8' })
  }
  at.write(
    file,
    `import { x } from '${file.startsWith('packages/contracts') ? 'zod' : '@lockstep/contracts'}'\nexport const y = x\n`,
  )
  expect(lint()).toMatchObject({ status: 0 })
  at.write(file, `import { x } from '${name}'\nexport const y = x\n`)
  expect(lint()).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('noRestrictedImports'),
  })
})

test('a document that leads nowhere is named with its line', () => {
  using at = folder()
  at.write('ARCHITECTURE.md', '')
  at.write('services/accounts/README.md', '')
  at.write('services/accounts/src/main.ts', '')
  const readme = {
    file: 'README.md',
    text: 'See [the parts](ARCHITECTURE.md#services) and https://example.org.\n\n```sh\n[x](nowhere)\n```\n',
  }
  const parts = {
    file: 'ARCHITECTURE.md',
    text: '[accounts](services/accounts) in `services/<name>/README.md`',
  }
  const service = { file: 'services/accounts/README.md', text: 'It starts in `src/main.ts`.' }
  expect(checkDocuments(at.dir, [readme, parts, service], ['accounts'])).toEqual([])
  const broken = [
    { ...readme, text: `${readme.text}[gone](docs/gone.md)` },
    { ...parts, text: 'accounts' },
    { ...service, text: 'It starts in\n`src/start.ts`.' },
  ]
  expect(checkDocuments(at.dir, broken, ['accounts'])).toEqual([
    { file: 'README.md', line: 6, problem: 'link to docs/gone.md leads nowhere' },
    { file: 'services/accounts/README.md', line: 2, problem: 'there is no src/start.ts' },
    { file: 'ARCHITECTURE.md', line: 1, problem: 'must lead to services/accounts/README.md' },
  ])
})

test('generated code that is not what proto/ says is named', async () => {
  using at = folder()
  await generateInto(root, at.dir)
  const wanted = path.join(at.dir, 'packages', 'rpc', 'gen')
  const written = path.join(at.dir, 'written')
  cpSync(wanted, written, { recursive: true })
  expect(differentFiles(written, wanted)).toEqual([])
  const file = 'lockstep/feed/v1/feed.ts'
  appendFileSync(path.join(written, file), '// by hand\n')
  at.write('written/lockstep/old.ts', '')
  rmSync(path.join(written, 'lockstep/accounts/v1/accounts.ts'))
  expect(differentFiles(written, wanted)).toEqual([
    'lockstep/accounts/v1/accounts.ts is missing',
    `${file} is out of date`,
    'lockstep/old.ts belongs to no .proto any more',
  ])
})
