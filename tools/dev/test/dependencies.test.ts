import { expect, test } from 'vitest'
import { checkDependencies } from '../dependency-rules.ts'
import { parseSource, type SourceFile } from '../source-imports.ts'

/**
 * Checks a workspace with the dependencies (on the fourth line of its package.json) and the code
 * given.
 */
function workspace(
  named: { dependencies?: string; devDependencies?: string },
  code: Record<string, string>,
) {
  const sections = Object.entries(named).map(([section, name]) => [section, { [name!]: '1.0.0' }])
  const manifest = JSON.stringify({ name: 'campaigns', ...Object.fromEntries(sections) }, null, 2)
  const files = Object.entries({ 'package.json': manifest, ...code })
  return checkedDependencies(
    files.map(([file, text]) => ({ file: `services/campaigns/${file}`, text })),
  )
}

function checkedDependencies(files: SourceFile[]) {
  const manifests = files.filter(({ file }) => file.endsWith('package.json'))
  return checkDependencies(
    manifests,
    files.filter((file) => !manifests.includes(file)).map(parseSource),
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
  expect(checkedDependencies([root, config, other])).toEqual([])
  expect(checkedDependencies([root, other])).toMatchObject([
    { file: 'package.json', rule: expect.stringMatching(/names vitest .* remove it/) },
  ])
})
