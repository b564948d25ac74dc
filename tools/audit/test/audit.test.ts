import { spawnSync } from 'node:child_process'
import { rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { createLocks } from '@lockstep/locks'
import { expect, test } from 'vitest'
import { consistentWorld } from './consistent-world.ts'
import { complaints, stillSending } from './planted.ts'

const all = [
  'I1',
  'I2',
  'I3',
  'I4',
  'I6',
  'I7',
  'I8',
  'I10',
  'I11',
  'I12',
  'I13',
  'I14',
  'L1',
  'L2',
  'L3',
  'L4',
]

test('a world in which all is right has no violation, and everything was looked at', async () => {
  await using world = await consistentWorld()
  const { invariants } = await world.audit()
  expect(complaints({ invariants })).toEqual({})
  expect(invariants.map(({ id }) => id)).toEqual(all)
  expect(invariants.filter(({ checked }) => checked === 0)).toEqual([])
  expect(invariants.filter(({ notChecked }) => notChecked).map(({ id }) => id)).toEqual([
    'I8',
    'I12',
  ])
})

test('without an address, what needs it is reported as not checked', async () => {
  await using world = await consistentWorld()
  const { invariants } = await world.audit({
    redisUrl: undefined,
    natsUrl: undefined,
    only: ['L3', 'L4'],
  })
  expect(invariants).toMatchObject([
    { id: 'L3', checked: 0, notChecked: 'it needs the address of Redis' },
    { id: 'L4', checked: 0, notChecked: 'it needs the address of NATS' },
  ])
})

test('without a log, what needs it is reported as not checked', async () => {
  await using world = await consistentWorld()
  const { invariants } = await world.audit({ simulatorLog: undefined })
  expect(
    invariants.filter((result) => result.notChecked?.includes('log')).map(({ id }) => id),
  ).toEqual(['I1', 'I2', 'I3', 'I4', 'I7', 'I8', 'I11'])
  await expect(world.audit({ simulatorLog: '/nowhere' })).rejects.toThrow(
    'no simulator log at /nowhere',
  )
})

test('a system at work may send, hold locks and wake workers', async () => {
  await using world = await consistentWorld()
  await using holder = await createLocks({ redis: world.redis, instanceId: 'campaigns-1' })
  await using _lock = await holder.hold('campaign_send', world.ids.campaign)
  world.messaging.wake('campaigns.run', world.ids.campaign)
  await world.messaging.flush()
  await stillSending(world)
  const { invariants } = await world.audit({ settled: false })
  expect(complaints({ invariants })).toEqual({})
  expect(invariants.map(({ id }) => id)).toEqual(
    all.filter((id) => !['L1', 'L2', 'L4'].includes(id)),
  )
})

test('the program prints the offending row, says by its exit code that there is one, and needs all servers of a running system', async () => {
  await using world = await consistentWorld()
  const ready = `${world.ready.simulator_log}.ready.json`
  await writeFile(ready, JSON.stringify(world.ready))
  const run = (...args: string[]) =>
    spawnSync(
      process.execPath,
      [path.resolve(import.meta.dirname, '../main.ts'), '--ready', ready, ...args],
      { encoding: 'utf8' },
    )
  expect(run('--settled')).toMatchObject({
    status: 0,
    stdout: expect.stringContaining('No violations'),
  })
  await world.sql('update campaigns.campaign_statistics set delivered = 2')
  const printed = run()
  expect(printed).toMatchObject({
    status: 1,
    stdout: expect.stringContaining('counter=delivered  counted=2  recount=1'),
  })
  expect(printed.stdout).not.toContain('\u001b[')
  expect(JSON.parse(run('--json', '--only', 'I6').stdout)).toMatchObject({
    invariants: [{ id: 'I6', violations: 1 }],
  })
  await writeFile(
    ready,
    JSON.stringify({ ...world.ready, redis: 'redis://127.0.0.1:1', nats: 'nats://127.0.0.1:1' }),
  )
  expect(run('--only', 'L3')).toMatchObject({
    status: 2,
    stderr: "Redis does not answer at 127.0.0.1:1: L3 can't be checked\n",
  })
  expect(run('--only', 'L4')).toMatchObject({
    status: 2,
    stderr: "NATS does not answer at 127.0.0.1:1: L4 can't be checked\n",
  })
  await rm(ready)
  expect(run()).toMatchObject({ status: 2, stderr: expect.stringContaining('npm start') })
})
