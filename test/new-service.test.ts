import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { copyRepository } from './fixtures/copy.ts'
import { notesService, useNotes } from './fixtures/notes-service.ts'

const timeoutMs = 240_000

test('adding a service is a folder, a proto and its value: the rest compiles, and starts it with its table and its methods', {
  timeout: 3 * timeoutMs,
}, async () => {
  using copy = copyRepository()
  copy.add(notesService)
  const run = async (...args: string[]): Promise<string> => {
    const options = { cwd: copy.dir, timeout: timeoutMs, env: { PATH: process.env.PATH } }
    const { stdout } = await promisify(execFile)(process.execPath, args, options)
    return stdout
  }
  await run('tools/dev/generate.ts')
  await run(path.join('node_modules', 'typescript', 'bin', 'tsc'), '-p', '.')
  copy.add({ 'use-notes.ts': useNotes })
  expect(JSON.parse(await run('use-notes.ts'))).toEqual({
    added: { id: '1', text: 'Call Ada' },
    refused: 'invalid',
    listed: [{ id: '1', text: 'Call Ada' }],
  })
})
