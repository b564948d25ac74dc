import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { startTime, writeJson } from '@lockstep/servers'
import { afterAll, expect, test } from 'vitest'
import { type Ready, readReady } from '../ready.ts'
import { filesIn, forget, lockFolder, readKeys, readPorts, readTenant } from '../state.ts'

const home = mkdtempSync(path.join(tmpdir(), 'lockstep-state-'))
afterAll(() => rmSync(home, { recursive: true, force: true }))

const folder = () => mkdtempSync(path.join(home, 'state-'))
const anew = 'npm start -- --fresh'

test('keys are made once, for their owner only, and never written again', () => {
  const dir = folder()
  const made = readKeys(dir)
  const { keys: file } = filesIn(dir)
  const written = statSync(file)
  expect(written.mode & 0o777).toBe(0o600)
  expect(readKeys(dir)).toEqual(made)
  expect(statSync(file).ino).toBe(written.ino)
})

test('keys that are gone are not replaced by others while there is data that needs them', () => {
  const dir = folder()
  mkdirSync(path.join(filesIn(dir).dev, 'postgres'), { recursive: true })
  expect(() => readKeys(dir)).toThrow(/dev-state.json is missing.*Put it back/)
  expect(() => readKeys(dir)).toThrow(anew)
  expect(readdirSync(dir)).toEqual(['dev'])
})

test.each(['', '{', '{}', '[]', 'null', '{"encryptionKey":"00"}'])(
  'keys and a tenant that read "%s" are named with the way out',
  (text) => {
    const dir = folder()
    const { keys, tenant, dev } = filesIn(dir)
    mkdirSync(dev)
    for (const file of [keys, tenant]) writeFileSync(file, text)
    expect(() => readKeys(dir)).toThrow(`${keys} is empty or broken`)
    expect(() => readKeys(dir)).toThrow(anew)
    if (text.startsWith('{') && text.endsWith('}')) return
    expect(() => readTenant(dir)).toThrow(`${tenant} is empty or broken`)
    expect(() => readTenant(dir)).toThrow(anew)
  },
)

test('ports that can not be read are planned anew', () => {
  const dir = folder()
  mkdirSync(filesIn(dir).dev)
  writeFileSync(filesIn(dir).ports, '{"services":')
  expect(readPorts(dir)).toBeUndefined()
})

test('a state file is replaced in one step, whatever an earlier one that was killed left behind', () => {
  const file = path.join(folder(), 'state.json')
  writeFileSync(`${file}.new`, 'half of', { mode: 0o644 })
  writeJson(file, { whole: true }, 0o600)
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ whole: true })
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(readdirSync(path.dirname(file))).toEqual(['state.json'])
})

test('a folder has one start at a time, and the next when it is over', () => {
  const dir = folder()
  const lock = lockFolder(dir)
  expect(() => lockFolder(dir)).toThrow(`started by process ${process.pid}. Stop it first`)
  lock.release()
  lockFolder(dir).release()
})

test('--fresh throws nothing away while the data lie in a PostgreSQL elsewhere', async () => {
  const dir = folder()
  const keys = readKeys(dir)
  await expect(forget(dir, { LOCKSTEP_POSTGRES_URL: 'postgres://elsewhere' })).rejects.toThrow(
    'LOCKSTEP_POSTGRES_URL',
  )
  expect(readKeys(dir)).toEqual(keys)
  await forget(dir, {})
  expect(readKeys(dir)).not.toEqual(keys)
})

test('ready.json counts only while the process that wrote it lives', () => {
  const file = path.join(folder(), 'ready.json')
  const write = (ready: Partial<Ready>) => writeFileSync(file, JSON.stringify(ready))
  expect(() => readReady(file)).toThrow('Nothing runs here. Start it with npm start')
  writeFileSync(file, '{"pid":')
  expect(() => readReady(file)).toThrow(`${file} is empty or broken`)
  write({ pid: process.pid, pid_started: 'long ago' })
  expect(() => readReady(file)).toThrow('it no longer runs. Start it again with npm start')
  write({ pid: 2 ** 30 })
  expect(() => readReady(file)).toThrow('it no longer runs')
  write({ pid: process.pid, pid_started: startTime(process.pid)! })
  expect(readReady(file).pid).toBe(process.pid)
})
