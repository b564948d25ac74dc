import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Api, importCsv, openApi, openStack, type Stack } from './fixtures.ts'

const up = new AsyncDisposableStack()
let stack: Stack
let api: Api
beforeAll(async () => {
  stack = up.use(await openStack())
  api = up.use(await openApi(stack.config))
})
afterAll(() => up.disposeAsync())

const path = '/v1/consent-rules'

test('an account reads and sets its consent rules, and another one sees nothing of it', async () => {
  const [mine, other] = [(await stack.account()).key, (await stack.account()).key]
  expect(await api.ask(mine, 'GET', path)).toMatchObject({
    status: 200,
    json: { utility_after_stop: false },
  })
  expect(await api.ask(mine, 'PUT', path, { utility_after_stop: true })).toMatchObject({
    status: 200,
    json: { utility_after_stop: true },
  })
  expect((await api.ask(mine, 'GET', path)).json).toEqual({ utility_after_stop: true })
  expect((await api.ask(other, 'GET', path)).json).toEqual({ utility_after_stop: false })
})

test('an account reads and sets its default country, its imports are read by it, and say what they read', async () => {
  const [mine, other] = [(await stack.account()).key, (await stack.account()).key]
  const settings = '/v1/contact-settings'
  expect(await api.ask(mine, 'GET', settings)).toMatchObject({
    status: 200,
    json: { default_country: null },
  })
  expect(await api.ask(mine, 'PUT', settings, { default_country: 'us' })).toMatchObject({
    status: 200,
    json: { default_country: 'US' },
  })
  expect((await api.ask(other, 'GET', settings)).json).toEqual({
    default_country: null,
    time_zone: 'UTC',
  })
  for (const default_country of ['Texas', 'ZZ', 1])
    expect(await api.ask(mine, 'PUT', settings, { default_country })).toMatchObject({
      status: 400,
      json: { code: 'invalid' },
    })
  const { json } = await importCsv(api, mine, 'phone,GDPR\n(512) 345-6789,\n')
  expect(json).toMatchObject({ created: 1, rejected: 0, default_country: 'US' })
  expect(json.columns).toEqual([
    { name: 'phone', taken_for: 'phone', note: '' },
    { name: 'GDPR', taken_for: 'attribute', note: expect.stringContaining('looks like consent') },
  ])
  const german = await api.ask(
    mine,
    'POST',
    '/v1/contact-imports?file_name=a.csv&default_country=de',
    'phone\n',
    {
      'content-type': 'text/csv',
    },
  )
  expect(german).toMatchObject({ status: 202, json: { default_country: 'DE', columns: [] } })
  expect((await api.ask(mine, 'PUT', settings, { default_country: null })).json).toEqual({
    default_country: null,
    time_zone: 'UTC',
  })
})

test('a choice that is none is refused in words, and changes nothing', async () => {
  const { key } = await stack.account()
  for (const body of [
    {},
    { utility_after_stop: 'yes' },
    { utility_after_stop: true, marketing_after_stop: true },
  ]) {
    const refused = await api.ask(key, 'PUT', path, body)
    expect(refused).toMatchObject({ status: 400, json: { code: 'invalid' } })
    expect(refused.json.detail).toContain('utility_after_stop')
  }
  expect((await api.ask(key, 'GET', path)).json).toEqual({ utility_after_stop: false })
})

test('a choice that is repeated by its key undoes none that came after it', async () => {
  const { key } = await stack.account()
  const first = () =>
    api.ask(key, 'PUT', path, { utility_after_stop: true }, { 'idempotency-key': 'first' })
  await first()
  await api.ask(key, 'PUT', path, { utility_after_stop: false })
  expect((await first()).json).toEqual({ utility_after_stop: true })
  expect((await api.ask(key, 'GET', path)).json).toEqual({ utility_after_stop: false })
})
