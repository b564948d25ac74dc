import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { createLimiter, openRedis, untilReady } from '@lockstep/locks'
import { connect } from '@lockstep/rpc'
import { TemplatesDefinition } from '@lockstep/rpc/gen/templates'
import { until } from '@lockstep/testing'
import { expect, test } from 'vitest'
import { openService, openStack, scale, template, wabaId } from './templates-at-meta.ts'

async function useUpLimit(redisUrl: string, connectionId: string): Promise<void> {
  const redis = openRedis(redisUrl)
  await untilReady(redis, 2_000)
  expect(
    await createLimiter({ redis, scale }).take('template_sync_rate_limit', connectionId, 10),
  ).toEqual({ ok: true })
  redis.disconnect()
}

const names = (count: number) =>
  Array.from({ length: count }, (_, i) => `template_${String(i).padStart(4, '0')}`)

test('a sync reads every page, and templates are listed page by page and found by id and by name in either spelling of the language', async () => {
  const components = [
    { type: 'BODY' as const, text: 'Hi {{1}}', example: { body_text: [['Ana']] } },
    { type: 'BUTTONS' as const, buttons: [{ type: 'QUICK_REPLY', text: 'Stop' }] },
  ]
  const special = template('zz_last', { language: 'pt-BR', category: 'UTILITY', components })
  await using stack = await openStack([...names(230).map((name) => template(name)), special])
  await using templates = await openService(stack.config)
  const tenant = await stack.tenant('101')
  expect(await templates.sync(tenant)).toMatchObject({
    state: 'done',
    seen: 231,
    removed: 0,
    failure: '',
  })

  const page = async (after: string, limit: number) =>
    (await templates.client.listTemplates({ wabaId, status: '', after, limit }, tenant)).templates
  const first = await page('', 200)
  const second = await page(first.at(-1)!.id, 200)
  expect([first.length, second.length]).toEqual([200, 31])
  expect([...first, ...second].map((t) => t.name)).toEqual([...names(230), 'zz_last'])
  expect(await page('', 0)).toHaveLength(50)
  await expect(page('', 201)).rejects.toMatchObject({
    failure: 'invalid',
    message: expect.stringContaining('from 1 to 200'),
  })
  const byName = await templates.client.getTemplate(
    { id: '', wabaId, name: 'zz_last', language: 'pt-BR' },
    tenant,
  )
  expect(byName).toMatchObject({
    language: 'pt_BR',
    category: 'UTILITY',
    status: 'APPROVED',
    parameterFormat: 'POSITIONAL',
  })
  expect(JSON.parse(byName.componentsJson)).toEqual(components)
  expect(
    await templates.client.getTemplate(
      { id: byName.id, wabaId: '', name: '', language: '' },
      tenant,
    ),
  ).toEqual(byName)
})

test('of two syncs of a connection one runs, and the other is told since when', async () => {
  await using stack = await openStack()
  await using templates = await openService(stack.config)
  const tenant = await stack.tenant('101')
  const start = () => templates.client.startSync({ connectionId: tenant.connectionId }, tenant)
  const answers = await Promise.allSettled([start(), start(), start()])
  expect(answers.filter((answer) => answer.status === 'fulfilled')).toHaveLength(1)
  for (const answer of answers.filter((each) => each.status === 'rejected'))
    expect(answer.reason).toMatchObject({
      failure: 'conflict',
      message: expect.stringMatching(/^A sync is running since/),
    })
})

test('a sync that finds its limit used up gives the lane back, refuses a second one meanwhile, and ends later', async () => {
  await using stack = await openStack()
  await using templates = await openService(stack.config)
  const tenant = await stack.tenant('101')
  const redis = openRedis(stack.world.redis.url)
  await untilReady(redis, 2_000)
  const limiter = createLimiter({ redis, scale })
  expect(await limiter.take('template_sync_rate_limit', tenant.connectionId, 10)).toEqual({
    ok: true,
  })
  const { id } = await templates.client.startSync({ connectionId: tenant.connectionId }, tenant)
  await until(async () => {
    const [entry] = await stack.world.sql<{ not_before: Date | null }>(
      'select not_before from templates.feed_open',
    )
    return entry?.not_before
  })
  const second = templates.client.startSync({ connectionId: tenant.connectionId }, tenant)
  await expect(second).rejects.toMatchObject({
    failure: 'conflict',
    message: expect.stringMatching(/running since \d{4}-/),
  })
  expect(await redis.keys('template_sync:*')).toEqual([])
  redis.disconnect()
  await until(async () => (await templates.client.getSync({ id }, tenant)).state === 'done')
  expect(
    (await templates.client.listTemplates({ wabaId: '', status: '' }, tenant)).templates,
  ).toHaveLength(1)
})

test('a template that Meta no longer lists is marked deleted, and only that one', async () => {
  await using stack = await openStack([template('kept'), template('dropped')])
  await using templates = await openService(stack.config)
  const tenant = await stack.tenant('101')
  await templates.sync(tenant)
  await stack.simulator.client.templateEvent({
    wabaId,
    name: 'dropped',
    language: 'en_US',
    event: 'DELETED',
  })
  expect(await templates.sync(tenant)).toMatchObject({ state: 'done', seen: 1, removed: 1 })
  const statuses = (await templates.listAll(tenant)).map((t) => [t.name, t.status]).sort()
  expect(statuses).toEqual([
    ['dropped', 'DELETED'],
    ['kept', 'APPROVED'],
  ])
  expect(await templates.sync(tenant)).toMatchObject({ removed: 0 })
})

test('a dead token fails the sync with a reason, deletes nothing, and the next sync can be queued', async () => {
  await using stack = await openStack()
  await using templates = await openService(stack.config)
  const tenant = await stack.tenant('101')
  await templates.sync(tenant)
  await stack.simulator.client.setState({ numbers: [{ ...tenant.state, token: 'another-token' }] })
  expect(await templates.sync(tenant)).toMatchObject({
    state: 'failed',
    removed: 0,
    failure: expect.stringMatching(/access token/),
  })
  expect(
    (await templates.client.listTemplates({ wabaId, status: 'APPROVED' }, tenant)).templates,
  ).toHaveLength(1)
  await stack.simulator.client.setState({ numbers: [tenant.state] })
  expect(await templates.sync(tenant)).toMatchObject({ state: 'done', seen: 1 })
})

test('a sync whose number is connected again in another WABA reads neither and says so, and the next one reads the new WABA', async () => {
  await using stack = await openStack()
  await using templates = await openService(stack.config)
  const tenant = await stack.tenant('101')
  await stack.simulator.client.setState({ templates: { 303: [template('of_another')] } })
  await useUpLimit(stack.world.redis.url, tenant.connectionId)
  const { id } = await templates.client.startSync({ connectionId: tenant.connectionId }, tenant)
  await until(
    async () =>
      (await stack.world.sql('select from templates.feed_open where not_before is not null'))
        .length > 0,
  )
  await stack.accounts.disconnect({ id: tenant.connectionId }, tenant)
  expect((await stack.connectNumber(tenant, '101', '303')).connectionId).toBe(tenant.connectionId)
  await until(
    async () => (await templates.client.getSync({ id }, tenant)).finishedAtMs !== undefined,
  )
  expect(await templates.client.getSync({ id }, tenant)).toMatchObject({
    state: 'failed',
    failure: expect.stringMatching(/303 now; sync/),
  })
  expect(await templates.listAll(tenant)).toEqual([])
  await templates.sync(tenant)
  expect((await templates.listAll(tenant)).map(({ name, wabaId }) => [name, wabaId])).toEqual([
    ['of_another', '303'],
  ])
})

test('a sync outlives an outage of Meta', async () => {
  await using stack = await openStack()
  await using templates = await openService(stack.config)
  const tenant = await stack.tenant('101')
  await stack.simulator.client.setSettings({
    errors: { next: [{ code: 2, count: 2, on: 'management' }] },
  })
  expect(await templates.sync(tenant)).toMatchObject({ state: 'done', seen: 1 })
})

test('a sync that Meta throttles leaves Meta alone for as long as it asks', async () => {
  await using stack = await openStack()
  await using templates = await openService(stack.config)
  const tenant = await stack.tenant('101')
  await stack.simulator.client.setSettings({
    errors: { next: [{ code: 80007, count: 1, on: 'management' }] },
  })
  const { id } = await templates.client.startSync({ connectionId: tenant.connectionId }, tenant)
  await until(async () => {
    const [entry] = await stack.world.sql<{ waits: boolean }>(
      `select not_before > now() + interval '10 seconds' as waits from templates.feed_open`,
    )
    return entry?.waits
  })
  await stack.world.sql('update templates.feed_open set not_before = null')
  await until(async () => (await templates.client.getSync({ id }, tenant)).state === 'done')
})

test('accounts that share a WABA have rows of their own and never see each other', async () => {
  await using stack = await openStack()
  await using templates = await openService(stack.config)
  const [one, two] = [await stack.tenant('101'), await stack.tenant('102')]
  await templates.sync(one)
  expect((await templates.client.listTemplates({ wabaId, status: '' }, two)).templates).toEqual([])
  const run = await templates.sync(two)
  const [ofTwo] = (await templates.client.listTemplates({ wabaId, status: '' }, two)).templates
  const [ofOne] = (await templates.client.listTemplates({ wabaId, status: '' }, one)).templates
  expect(ofOne!.id).not.toBe(ofTwo!.id)
  const notFound = { failure: 'not_found' }
  await expect(
    templates.client.getTemplate({ id: ofTwo!.id, wabaId: '', name: '', language: '' }, one),
  ).rejects.toMatchObject(notFound)
  await expect(templates.client.getSync({ id: run.id }, one)).rejects.toMatchObject(notFound)
  await expect(
    templates.client.startSync({ connectionId: two.connectionId }, one),
  ).rejects.toMatchObject(notFound)
})

test('a sync whose process is killed between two pages is completed by another, and no template is twice', async () => {
  // Eleven pages: the limit of ten calls a minute holds the eleventh back, so that the kill falls
  // between two pages.
  await using stack = await openStack(names(1_050).map((name) => template(name)))
  const tenant = await stack.tenant('101')
  const config = { ...stack.config, encryptionKey: stack.world.encryptionKey.toString('hex') }
  const child = spawn(
    process.execPath,
    [path.join(import.meta.dirname, 'service-process.ts'), JSON.stringify({ config, scale })],
    {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    },
  )
  const exited = once(child, 'exit')
  const run = async () =>
    (
      await stack.world.sql<{ seen: number; state: string }>(
        'select seen, state from templates.sync_runs',
      )
    )[0]
  try {
    const [port] = await once(child, 'message')
    using client = connect(TemplatesDefinition, `127.0.0.1:${port}`)
    await client.startSync({ connectionId: tenant.connectionId }, tenant)
    await until(async () => (await run())?.seen === 1_000)
  } finally {
    child.kill('SIGKILL')
    await exited
  }
  expect(await run()).toEqual({ seen: 1_000, state: 'running' })
  await using templates = await openService(stack.config)
  await until(async () => (await run())?.state === 'done', 25_000)
  expect(await run()).toMatchObject({ seen: 1_050 })
  const listed = await templates.listAll(tenant)
  expect(listed.map((t) => [t.name, t.status])).toEqual(
    names(1_050).map((name) => [name, 'APPROVED']),
  )
})
