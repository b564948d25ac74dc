import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { openApi, openStack } from './fixtures.ts'

test('the lines in the README do the whole main job when they are pasted into a shell', async () => {
  await using stack = await openStack()
  await using api = await openApi(stack.config)
  const { key } = await stack.account()
  const number = await stack.number('9401')
  const readme = await readFile(path.join(import.meta.dirname, '../README.md'), 'utf8')
  const [, job] = [...readme.matchAll(/```sh\n(.*?)```/gs)].map((block) => block[1]!)
  const variables = {
    API: api.url,
    KEY: key,
    APP_ID: '1',
    APP_SECRET: 'app-secret',
    PHONE_NUMBER_ID: number.phone_number_id,
    WABA_ID: number.waba_id,
    ACCESS_TOKEN: number.access_token,
  }
  const options = {
    cwd: stack.world.nats.dir,
    env: { PATH: process.env.PATH, ...variables },
    timeout: 25_000,
  }
  const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', job!], options)
  expect(stdout).toContain('"per_minute":600')
  expect(stdout).toContain('"errors":[{"line":4,')
  expect(stdout).toContain('"statistics":{"recipients":2,"queued":0,"sending":0,"accepted":2')
  expect(stdout).toContain('"conversations":[]')
})
