import { everyRight } from '@lockstep/contracts'
import { until } from '@lockstep/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { csvLine } from '../src/csv.ts'
import { type Api, openApi, openStack, type Stack } from './fixtures.ts'

/** The audit log leaves as one file, whole or not at all. */
const up = new AsyncDisposableStack()
let stack: Stack
let api: Api
let owner: { accountId: string; key: string }

beforeAll(async () => {
  stack = up.use(await openStack(0.2))
  api = up.use(await openApi(stack.config))
  owner = await stack.account()
  await insert(owner.accountId, 1_300)
})
afterAll(() => up.disposeAsync())

const insert = (accountId: string, count: number) =>
  stack.world.sql(
    `insert into accounts.audit_entries (account_id, at, action, actor_kind, actor_id, actor_name, address, request_id, target_kind,
       target_id, before, after, outcome)
     select $1, now(), 'act', 'operator', '', '=cmd|'' /C calc''!A' || n, '', 'r' || n, 'apps', 't"' || n, null, '{"n": 1}', 'done'
     from generate_series(1, $2::integer) n order by n`,
    [accountId, count],
  )

const download = (type: string, query = '', key = owner.key) =>
  fetch(`${api.url}/v1/audit-log${query}`, {
    headers: { authorization: `Bearer ${key}`, accept: type },
  })

test('all entries come as CSV and as lines of JSON, newest first, as the list tells them', async () => {
  const listed: { id: string }[] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const at: string = cursor ? `&cursor=${cursor}` : ''
    const { json } = await api.ask(owner.key, 'GET', `/v1/audit-log?limit=1000&action=act${at}`)
    listed.push(...json.entries)
    cursor = json.next_cursor
  }
  expect(listed).toHaveLength(1_300)
  const lines = await download('application/x-ndjson', '?action=act')
  expect(lines.headers.get('content-type')).toContain('application/x-ndjson')
  expect(lines.headers.get('content-disposition')).toBe('attachment')
  const rows = (await lines.text()).trimEnd().split('\n')
  expect(rows.map((row) => JSON.parse(row))).toEqual(listed)
  const [head, ...cells] = (await (await download('text/csv', '?action=act')).text())
    .trimEnd()
    .split('\r\n')
  expect(head).toBe(Object.keys(listed[0]!).join(','))
  expect(cells.map((row) => row.split(',')[0])).toEqual(listed.map(({ id }) => id))
  expect(cells[0]).toContain(`'=cmd|' /C calc'!A1300`)
  expect(cells[0]).toContain('"t""1300"')
})

test('a download goes on from a cursor, and holds nothing of another account', async () => {
  const other = await stack.account()
  expect(await (await download('application/x-ndjson', '?action=act', other.key)).text()).toBe('')
  const all = (await (await download('application/x-ndjson', '?action=act')).text()).split('\n')
  const { id } = JSON.parse(all[1_199]!)
  const rest = await download('application/x-ndjson', `?action=act&cursor=${id}`)
  expect((await rest.text()).trimEnd().split('\n')).toHaveLength(100)
  const without = await api.ask(owner.key, 'POST', '/v1/api-keys', {
    name: 'agent',
    rights: ['contacts.read'],
  })
  const refused = await download('text/csv', '', without.json.key)
  expect([refused.status, refused.headers.get('content-type')]).toEqual([
    403,
    expect.stringContaining('problem+json'),
  ])
})

test('a download whose key is withdrawn breaks off, so that a part is not taken for the whole', async () => {
  await insert(owner.accountId, 60_000)
  const made = await api.ask(owner.key, 'POST', '/v1/api-keys', {
    name: 'export',
    rights: [everyRight],
  })
  const response = await download('application/x-ndjson', '', made.json.key)
  const reader = response.body!.getReader()
  await reader.read()
  await api.ask(owner.key, 'POST', `/v1/api-keys/${made.json.api_key.id}/withdraw`)
  // Nobody reads on until the key is over everywhere.
  await until(async () => (await download('text/csv', '', made.json.key)).status === 401)
  const read = async () => {
    for (;;) if ((await reader.read()).done) return 'whole'
  }
  await expect(read()).rejects.toThrow()
})

test.each([
  ['=1+1', "'=1+1"],
  [' =1+1', "' =1+1"],
  ['+49 1512', "'+49 1512"],
  ['-2', "'-2"],
  ['@SUM(A1)', "'@SUM(A1)"],
  ['\t=1', "'\t=1"],
  ['＝1', "'＝1"],
  ['a=b', 'a=b'],
  ['a"b', '"a""b"'],
  ['a\nb', '"a\nb"'],
])('%j is no formula in a spreadsheet', (text, cell) => {
  expect(csvLine([text, null, 7])).toBe(`${cell},,7\r\n`)
})
