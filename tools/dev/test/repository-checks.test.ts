import { execFileSync } from 'node:child_process'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { runBuf } from '../buf.ts'
import { runChecks, showChecks } from '../checks.ts'
import { longSubjects } from '../commit-subjects.ts'
import { compareExports, findDeadExports, knownDeadExports } from '../dead-exports.ts'
import type { Screen } from '../screen.ts'
import { folder } from './fixtures/folder.ts'

const root = path.resolve(import.meta.dirname, '../../..')
const never = new AbortController().signal

const library = {
  'package.json': '{ "name": "library", "type": "module" }',
  'knip.json': '{ "entry": ["src/main.ts"], "project": ["src/**/*.ts"] }',
  'src/main.ts': "import { used } from './used.ts'\nused()",
  'src/used.ts': 'export function used() {}',
}

test('an export and a file that nobody needs are named with their place', async () => {
  using at = folder(library)
  expect(compareExports(await findDeadExports(root, at.dir), {})).toEqual([])
  at.write(
    'src/used.ts',
    'export function used() {}\nexport const forgotten = 1\nexport interface Shape {}',
  )
  at.write('src/orphan.ts', 'export {}')
  expect(compareExports(await findDeadExports(root, at.dir), {}).toSorted()).toEqual([
    expect.stringMatching(/^src\/orphan\.ts:1 .*nothing imports this file/),
    expect.stringMatching(/^src\/used\.ts:2 .*nothing imports forgotten/),
    expect.stringMatching(/^src\/used\.ts:3 .*nothing imports Shape/),
  ])
})

test('a known dead export is passed over until it is mended, and must go then', async () => {
  using at = folder({
    ...library,
    'src/used.ts': 'export function used() {}\nexport const forgotten = 1',
  })
  const known = { 'src/used.ts': ['forgotten'] }
  expect(compareExports(await findDeadExports(root, at.dir), known)).toEqual([])
  at.write('src/used.ts', 'export function used() {}')
  expect(compareExports(await findDeadExports(root, at.dir), known)).toEqual([
    expect.stringMatching(/remove it from knownDeadExports/),
  ])
})

test('known dead exports only become fewer', () => {
  expect(Object.values(knownDeadExports).flat().length).toBeLessThanOrEqual(36)
})

test('a subject of more than 72 characters is named since the branch left main; without history nothing is', async () => {
  using at = folder()
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.org', ...args], {
      cwd: at.dir,
    })
  expect(await longSubjects(at.dir)).toEqual([])
  git('init', '-q', '-b', 'main')
  git('commit', '-q', '--allow-empty', '-m', `before ${'x'.repeat(80)}`)
  git('checkout', '-q', '-b', 'branch')
  git('commit', '-q', '--allow-empty', '-m', 'ä'.repeat(72))
  expect(await longSubjects(at.dir)).toEqual([])
  git('commit', '-q', '--allow-empty', '-m', `${'y'.repeat(73)}\n\n${'body '.repeat(50)}`)
  expect(await longSubjects(at.dir)).toEqual([
    expect.stringMatching(/^[0-9a-f]+ .* 73 characters, at most 72 fit: y+$/),
  ])
  using shallow = folder()
  execFileSync('git', [
    'clone',
    '-q',
    '--depth',
    '1',
    '--no-single-branch',
    `file://${at.dir}`,
    shallow.dir,
  ])
  expect(await longSubjects(shallow.dir)).toEqual([])
})

test('what a running service would not understand is named, what has only a new name is not', async () => {
  using at = folder()
  cpSync(path.join(root, 'proto'), path.join(at.dir, 'new'), { recursive: true })
  const file = path.join(at.dir, 'new/lockstep/accounts/v1/accounts.proto')
  const proto = readFileSync(file, 'utf8')
  const against = () =>
    runBuf(root, path.join(at.dir, 'new'), ['breaking', '--against', path.join(root, 'proto')])
  writeFileSync(file, proto.replace('string meta_app_id = 4;', 'string app_id_of_meta = 4;'))
  expect(await against()).toEqual({ ok: true, said: '' })
  writeFileSync(file, proto.replace('string meta_app_id = 4;', 'int64 meta_app_id = 4;'))
  expect(await against()).toMatchObject({
    ok: false,
    said: expect.stringMatching(/accounts\.proto:\d+:.*"4".*changed type/),
  })
  writeFileSync(file, proto.replace(/ {2}rpc CreateAccount\(.*\n/, ''))
  expect(await against()).toMatchObject({
    ok: false,
    said: expect.stringContaining('CreateAccount'),
  })
  writeFileSync(file, proto.replace('string meta_app_id = 4;', 'string metaAppId = 4;'))
  expect(await runBuf(root, path.join(at.dir, 'new'), ['lint'])).toMatchObject({
    ok: false,
    said: expect.stringContaining('meta_app_id'),
  })
})

test('checks run side by side, keep their order, and only what failed is printed', async () => {
  using at = folder({
    'waits.ts':
      "import { existsSync } from 'node:fs'\nwhile (!existsSync(process.argv[2])) await new Promise(setImmediate)",
    'fails.ts':
      "import { writeFileSync } from 'node:fs'\nwriteFileSync(process.argv[2], '')\nthrow 'the reason'",
  })
  const [waits = '', fails = '', written = ''] = ['waits.ts', 'fails.ts', 'written'].map((file) =>
    path.join(at.dir, file),
  )
  const results = await runChecks(never, [
    { name: 'First', args: [waits, written] },
    { name: 'Second', args: ['--version'] },
    { name: 'Third', args: [fails, written] },
  ])
  expect(results).toMatchObject([
    { name: 'First', ok: true },
    { name: 'Second', ok: true },
    { name: 'Third', ok: false },
  ])
  const lines: string[] = []
  const same = (text: string) => text
  const table = (_head: string[], rows: (string | number)[][]) =>
    lines.push(...rows.map((row) => row.join(' ')))
  showChecks(
    { good: same, bad: same, line: (text = '') => lines.push(text), table } as unknown as Screen,
    results,
  )
  expect(lines).toEqual([
    expect.stringMatching(/✓ First [\d.]+ s/),
    expect.stringMatching(/✓ Second [\d.]+ s/),
    expect.stringMatching(/✗ Third [\d.]+ s/),
    '\n  ✗ Third',
    expect.stringMatching(/^ {4}.*the reason/s),
  ])
})

test('checks that are asked to stop end with their processes', async () => {
  using at = folder({ 'endless.ts': 'setInterval(() => {}, 1000)' })
  const stop = new AbortController()
  const run = runChecks(stop.signal, [{ name: 'Endless', args: [path.join(at.dir, 'endless.ts')] }])
  stop.abort(new Error('asked'))
  await expect(run).rejects.toThrow('asked')
})

test('.nvmrc names the Node that runs everything', () => {
  const { devDependencies } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
  expect(readFileSync(path.join(root, '.nvmrc'), 'utf8').trim()).toBe(devDependencies.node)
})
