import { createLimiter, openRedis, untilReady } from '@lockstep/locks'
import { openContext, owning } from '@lockstep/service'
import { until } from '@lockstep/testing'
import { expect, test } from 'vitest'
import type { Context } from '../src/context.ts'
import { templateUpdate } from '../src/lanes/template-update.ts'
import { templatesService } from '../src/service.ts'
import { openService, openStack, scale, template, wabaId } from './templates-at-meta.ts'

/** Past 2^53, where a double would change it. */
const metaId = '9007199254740993'
const now = () => Math.floor(Date.now() / 1000)
const about = {
  message_template_id: metaId,
  message_template_name: 'welcome',
  message_template_language: 'en-US',
}
const status = (event: string, time: number, reason = 'NONE') => ({
  field: 'message_template_status_update',
  value: { event, reason, ...about },
  time,
})
const quality = (score: string, time: number) => ({
  field: 'message_template_quality_update',
  value: { previous_quality_score: 'UNKNOWN', new_quality_score: score, ...about },
  time,
})
const category = (name: string, time: number) => ({
  field: 'template_category_update',
  value: { previous_category: 'MARKETING', new_category: name, ...about },
  time,
})

async function openSynced() {
  await using opened = new AsyncDisposableStack()
  const stack = opened.use(await openStack([template('welcome', { id: metaId })]))
  const templates = opened.use(await openService(stack.config))
  const tenant = await stack.tenant('101')
  await templates.sync(tenant)
  const welcome = (of = tenant) =>
    templates.client.getTemplate({ id: '', wabaId, name: 'welcome', language: 'en_US' }, of)
  /** All that the rows date becomes an hour older, so that what comes now comes an hour later. */
  const anHourPasses = () =>
    stack.world.sql(`update templates.templates set
      synced_at = synced_at - interval '1 hour', status_event_at = status_event_at - interval '1 hour'`)
  return owning({ ...stack, templates, first: tenant, welcome, anHourPasses }, opened)
}

test('updates of status, quality and category reach the rows of the account whose app signed it, and no other', async () => {
  await using stack = await openSynced()
  const { first: tenant, welcome } = stack
  const other = await stack.tenant('102')
  await stack.templates.sync(other)
  await stack.deliver(tenant, status('REJECTED', now(), 'SCAM'))
  await stack.deliver(tenant, quality('YELLOW', now()))
  await stack.deliver(tenant, category('UTILITY', now()))
  expect(await stack.outcomes(3)).toEqual({ done: 3 })
  expect(await welcome()).toMatchObject({
    status: 'REJECTED',
    rejectedReason: 'SCAM',
    quality: 'YELLOW',
    category: 'UTILITY',
  })
  expect(await welcome(other)).toMatchObject({
    status: 'APPROVED',
    quality: 'UNKNOWN',
    category: 'MARKETING',
  })
})

test('updates that are repeated or come in the wrong order end with the newest of each kind', async () => {
  await using stack = await openSynced()
  const { first: tenant } = stack
  const start = now() - 20
  const updates = [
    status('PAUSED', start + 3),
    quality('RED', start + 9),
    status('APPROVED', start + 1),
    quality('GREEN', start + 2),
  ]
  for (const each of [...updates, ...updates]) await stack.deliver(tenant, each)
  expect(await stack.outcomes(8)).toEqual({ done: 8 })
  expect(await stack.welcome()).toMatchObject({ status: 'PAUSED', quality: 'RED' })
})

test('a sync overrides older updates, keeps those that Meta dates later, and is not undone by one that comes hours late', async () => {
  await using stack = await openSynced()
  const { first: tenant, templates } = stack
  await stack.deliver(tenant, status('PAUSED', now()))
  await stack.outcomes(1)
  expect(await stack.welcome()).toMatchObject({ status: 'PAUSED' })
  await stack.anHourPasses()
  await templates.sync(tenant)
  expect(await stack.welcome()).toMatchObject({ status: 'APPROVED' })
  await stack.deliver(tenant, status('DISABLED', now() - 7_200))
  await stack.outcomes(2)
  expect(await stack.welcome()).toMatchObject({ status: 'APPROVED' })
  await stack.deliver(tenant, status('PAUSED', now() + 30))
  await stack.outcomes(3)
  await templates.sync(tenant)
  expect(await stack.welcome()).toMatchObject({ status: 'PAUSED' })
})

test('an update that applies to nothing is told apart: no match, no connection, no action', async () => {
  await using stack = await openSynced()
  const { first: tenant } = stack
  const unknown = status('PAUSED', now())
  await stack.deliver(tenant, {
    ...unknown,
    value: { ...unknown.value, message_template_id: '77' },
  })
  await stack.deliver(tenant, { ...status('PAUSED', now()), waba: '909' })
  const stranger = await stack.accounts.createAccount({ name: 'Stranger' }, {})
  const app = { name: 'App', metaAppId: '1', secret: 'app-secret', verifyToken: 'verify' }
  const { id: appId } = await stack.accounts.createApp(app, { accountId: stranger.id })
  await stack.deliver({ appId }, status('PAUSED', now()))
  await stack.deliver(tenant, { field: 'message_template_unheard_of', value: about, time: now() })
  expect(await stack.outcomes(4)).toEqual({ no_match: 1, no_connection: 2, no_action: 1 })
  expect(await stack.welcome()).toMatchObject({ status: 'APPROVED' })
})

test('an update of a template without a row has it read, and changes it then; one that is in no list is looked for once', async () => {
  await using stack = await openSynced()
  const { first: tenant } = stack
  const made = template('made_later', { id: '78', status: 'PENDING' })
  await stack.simulator.client.setState({ templates: { [wabaId]: [made] } })
  const about = {
    message_template_id: '78',
    message_template_name: 'made_later',
    message_template_language: 'en_US',
  }
  const approved = {
    field: 'message_template_status_update',
    value: { event: 'APPROVED', reason: 'NONE', ...about },
    time: now(),
  }
  await stack.deliver(tenant, approved, {
    ...quality('GREEN', 0),
    value: { new_quality_score: 'GREEN', ...about },
  })
  expect(await stack.outcomes(2)).toEqual({ done: 2 })
  const runs = () => stack.world.sql('select from templates.sync_runs')
  expect(await runs()).toHaveLength(2)
  const row = await stack.templates.client.getTemplate(
    { id: '', wabaId, name: 'made_later', language: 'en_US' },
    tenant,
  )
  expect(row).toMatchObject({ status: 'APPROVED', quality: 'GREEN' })

  const nowhere = { ...approved, value: { ...approved.value, message_template_id: '79' } }
  await stack.deliver(tenant, nowhere, nowhere)
  await stack.deliver(tenant, { ...nowhere, value: { ...nowhere.value, event: 'DELETED' } })
  expect(await stack.outcomes(4)).toEqual({ done: 2, no_match: 2 })
  expect((await runs()).length).toBe(3)
})

test("no time of Meta's counts as later than its receipt: what it dates ahead does not outlive what comes then", async () => {
  await using stack = await openSynced()
  await stack.deliver(stack.first, status('APPROVED', now() + 7_200))
  await stack.outcomes(1)
  await stack.deliver(stack.first, status('DISABLED', now()))
  await stack.outcomes(2)
  expect(await stack.welcome()).toMatchObject({ status: 'DISABLED' })
})

test('a template that Meta lists again is deleted no longer, however fresh its last update is', async () => {
  await using stack = await openSynced()
  const { first: tenant, templates } = stack
  await stack.deliver(tenant, status('PAUSED', now()))
  await stack.outcomes(1)
  const atMeta = (event: string) =>
    stack.simulator.client.templateEvent({ wabaId, name: 'welcome', language: 'en_US', event })
  await atMeta('DELETED')
  await templates.sync(tenant)
  expect(await stack.welcome()).toMatchObject({ status: 'DELETED' })
  await atMeta('APPROVED')
  await templates.sync(tenant)
  expect(await stack.welcome()).toMatchObject({ status: 'APPROVED' })
})

test('an event that puts a template back to work leaves it approved', async () => {
  await using stack = await openSynced()
  for (const event of ['DISABLED', 'REINSTATED'])
    await stack.deliver(stack.first, status(event, now()))
  expect(await stack.outcomes(2)).toEqual({ done: 2 })
  expect(await stack.welcome()).toMatchObject({ status: 'APPROVED' })
})

test('a status says why as Meta does, and a list that names another status ends them', async () => {
  await using stack = await openSynced()
  const paused = status('PAUSED', now())
  const other_info = { title: 'SECOND_PAUSE', description: 'Paused for 6 hours' }
  await stack.deliver(stack.first, { ...paused, value: { ...paused.value, other_info } })
  await stack.outcomes(1)
  expect(await stack.welcome()).toMatchObject({
    status: 'PAUSED',
    statusReason: 'SECOND_PAUSE · Paused for 6 hours',
    rejectedReason: 'NONE',
  })
  await stack.anHourPasses()
  await stack.templates.sync(stack.first)
  expect(await stack.welcome()).toMatchObject({ status: 'APPROVED', statusReason: '' })
})

test('an announced category shows with its day until it has come, also by a list, and an announcement that comes late is over', async () => {
  await using stack = await openSynced()
  const { first: tenant } = stack
  const start = now()
  const announced = {
    field: 'template_category_update',
    value: {
      ...about,
      new_category: 'MARKETING',
      correct_category: 'UTILITY',
      category_update_timestamp: start + 86_400,
    },
    time: start,
  }
  await stack.deliver(tenant, announced)
  await stack.outcomes(1)
  const next = {
    category: 'MARKETING',
    nextCategory: 'UTILITY',
    nextCategoryAtMs: (start + 86_400) * 1_000,
  }
  expect(await stack.welcome()).toMatchObject(next)
  await stack.templates.sync(tenant)
  expect(await stack.welcome()).toMatchObject(next)
  await stack.simulator.client.setState({
    templates: { [wabaId]: [template('welcome', { id: metaId, category: 'UTILITY' })] },
  })
  await stack.templates.sync(tenant)
  const come = { category: 'UTILITY', nextCategory: '', nextCategoryAtMs: undefined }
  expect(await stack.welcome()).toMatchObject(come)
  await stack.deliver(tenant, announced)
  await stack.outcomes(2)
  expect(await stack.welcome()).toMatchObject(come)
})

test('changed components are read anew: once for all updates while a sync is queued, and again after one that runs already', async () => {
  await using stack = await openSynced()
  const { first: tenant } = stack
  const runs = () =>
    stack.world.sql<{ state: string }>('select state from templates.sync_runs order by id')
  const redis = openRedis(stack.world.redis.url)
  await untilReady(redis, 2_000)
  // With the limit used up the sync has begun, and can't end yet.
  await createLimiter({ redis, scale }).take('template_sync_rate_limit', tenant.connectionId, 8)
  redis.disconnect()
  await stack.templates.client.startSync({ connectionId: tenant.connectionId }, tenant)
  await until(async () => (await runs()).at(-1)!.state === 'running')
  const components = [{ type: 'BODY' as const, text: 'Hello anew' }]
  await stack.simulator.client.setState({
    templates: { [wabaId]: [template('welcome', { id: metaId, components })] },
  })
  const changed = (time: number) => ({
    field: 'message_template_components_update',
    value: { ...about, message_template_element: 'Hi' },
    time,
  })
  for (const time of [now() + 1, now() + 2, now() + 2]) await stack.deliver(tenant, changed(time))
  expect(await stack.outcomes(3)).toEqual({ done: 3 })
  await until(async () => (await runs()).every(({ state }) => state === 'done'))
  expect(await runs()).toHaveLength(3)
  expect(JSON.parse((await stack.welcome()).componentsJson)).toEqual(components)
})

test('changed components are read anew also when their number was disconnected and connected again before they were handled', async () => {
  await using stack = await openSynced()
  const { first: tenant } = stack
  const components = [{ type: 'BODY' as const, text: 'Hello anew' }]
  await stack.simulator.client.setState({
    templates: { [wabaId]: [template('welcome', { id: metaId, components })] },
  })
  const value = { ...about, message_template_element: 'Hi' }
  await using ctx = await openContext<Context>(templatesService, stack.config, { scale })
  const { connectedAtMs } = await stack.accounts.getConnection({ id: tenant.connectionId }, tenant)
  await stack.accounts.disconnect({ id: tenant.connectionId }, tenant)
  const handle = () => {
    const changes = [{ field: 'message_template_components_update', value }]
    const text = JSON.stringify({
      object: 'whatsapp_business_account',
      entry: [{ id: wabaId, time: now() + 1, changes }],
    })
    const body = Buffer.from(text.replace(`"${metaId}"`, metaId))
    const entry = {
      id: '1',
      key: wabaId,
      kind: '',
      accountId: tenant.accountId,
      rowId: '',
      attempts: 0,
      asOfMs: connectedAtMs,
      body,
    }
    return templateUpdate(ctx, wabaId, [{ ...entry, appId: tenant.appId }], {} as never)
  }
  const runs = () => stack.world.sql('select from templates.sync_runs')
  expect(await handle()).toEqual([{ id: '1', outcome: 'done' }])
  expect(await runs()).toHaveLength(1) // through a number that has ended nothing can be read
  await stack.connectNumber(tenant, '101')
  expect(await handle()).toEqual([{ id: '1', outcome: 'done' }])
  expect(await runs()).toHaveLength(2)
  await until(
    async () =>
      (await stack.world.sql("select from templates.sync_runs where state = 'done'")).length === 2,
  )
  expect(JSON.parse((await stack.welcome()).componentsJson)).toEqual(components)
})
