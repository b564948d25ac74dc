import { appendFileSync, cpSync, rmSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { checkDocuments } from '../doc-paths.ts'
import { differentFiles, generateInto } from '../generated.ts'
import { folder } from './fixtures/folder.ts'

const root = path.resolve(import.meta.dirname, '../../..')

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
