import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { services } from '@lockstep/contracts'
import { openProxy, postWebhook, until } from '@lockstep/testing'
import { startSystem, type Tenant, type TestSystem } from '@lockstep/testing/system'
import { afterAll, beforeAll, expect, test } from 'vitest'

const main = path.resolve(import.meta.dirname, '../main.ts')
const up = new AsyncDisposableStack()
let system: TestSystem
let url: string
let folder: string
let tenant: Tenant

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'lockstep-cli-'))
  up.defer(() => rm(folder, { recursive: true }))
  system = up.use(await startSystem({ services }))
  url = `http://127.0.0.1:${system.ports.api.http}`
  tenant = await system.addTenant()
  await run(['login', '--url', url, '--name', 'test'], tenant.apiKey)
}, 60_000)
afterAll(() => up.disposeAsync())

const environment = () => ({ PATH: process.env.PATH, HOME: folder })
const contexts = () => path.join(folder, '.config/lockstep/contexts.json')

/** The command as a process of its own, without a terminal. */
function start(args: readonly string[], env: Record<string, string> = {}) {
  return spawn(process.execPath, [main, ...args], { env: { ...environment(), ...env } })
}

async function run(args: readonly string[], stdin = '', env: Record<string, string> = {}) {
  const child = start(args, env)
  child.stdin.end(stdin)
  const [[code], stdout, stderr] = await Promise.all([
    once(child, 'close'),
    text(child.stdout),
    text(child.stderr),
  ])
  return { code: code as number, stdout, stderr }
}

/** What it prints for a program; throws when it does not end well. */
// biome-ignore lint/suspicious/noExplicitAny: what is in it is what the tests find out
async function json(...args: string[]): Promise<any[]> {
  const { code, stdout, stderr } = await run(['--json', ...args])
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${stderr}`)
  return stdout.split('\n').flatMap((line) => (line ? [JSON.parse(line)] : []))
}

test('a key that was kept is read by nobody else, and not when others could', async () => {
  expect((await stat(contexts())).mode & 0o777).toBe(0o600)
  expect(JSON.parse(await readFile(contexts(), 'utf8'))).toEqual({
    current: 'test',
    contexts: { test: { url, api_key: tenant.apiKey } },
  })
  const { stdout } = await run(['contexts'])
  expect(stdout).toContain(url)
  expect(stdout).not.toContain('lk_')
  await chmod(contexts(), 0o644)
  expect(await run(['contacts', 'list'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining(`chmod 600 ${contexts()}`),
  })
  await chmod(contexts(), 0o600)
})

test('the main job is done by commands, each of which tells a program what it did', async () => {
  const [number] = await json('connections', 'list')
  expect(number.id).toBe(tenant.connectionId)
  expect(await json('templates', 'sync', number.id)).toMatchObject([{ state: 'done' }])
  const templates = await json('templates', 'list', '--connection', number.id)
  expect(templates.map(({ name }) => name)).toContain('spring_offer')
  const file = path.join(folder, 'people.csv')
  await writeFile(file, 'name,phone,tags\nAna,+49 1512 0000001,cli\nNobody,,cli\n')
  expect(await json('import', file)).toMatchObject([
    { file_name: 'people.csv', state: 'done', created: 1, rejected: 1 },
  ])
  const [person] = await json('contacts', 'list', '--tag', 'cli')
  expect(person).toMatchObject({ name: 'Ana', opted_out: false })
  const order = ['--name', 'CLI', '--connection', number.id, '--template', 'spring_offer']
  const values = ['header.1={{name}}', 'body.1=20 %', 'body.2=Sunday'].flatMap((one) => [
    '--value',
    one,
  ])
  const more = ['--tag', 'cli', ...values, '--idempotency-key', 'cli-1']
  const [draft] = await json('campaign', 'create', ...order, ...more)
  expect(await json('campaign', 'create', ...order, ...more)).toEqual([draft])
  await json('campaign', 'start', draft.id)
  const seen = await json('campaign', 'watch', draft.id)
  expect(seen.at(-1)).toMatchObject({ state: 'completed', statistics: { accepted: 1 } })
  expect(await json('campaign', 'recipients', draft.id)).toMatchObject([{ contact_id: person.id }])
  const stop = ['consent', person.id, 'opt_out', '--evidence', 'said so']
  expect(await json('contacts', ...stop)).toMatchObject([{ opted_out: true }])
})

test('a message that comes is shown while it is waited for', async () => {
  const child = start(['--json', 'conversations', 'tail', '--last', '1'])
  const shown = text(child.stdout)
  const at = String(Math.floor(Date.now() / 1_000))
  let n = 0
  await until(async () => {
    const message = { from: '491512000009', id: `wamid.cli${n++}`, timestamp: at, type: 'text' }
    const value = {
      metadata: { phone_number_id: tenant.phoneNumberId },
      contacts: [{ wa_id: '491512000009', profile: { name: 'Bo' } }],
      messages: [{ ...message, text: { body: 'Hi \u001b[31mthere' } }],
    }
    const entry = [{ id: tenant.wabaId, changes: [{ field: 'messages', value }] }]
    const body = JSON.stringify({ object: 'whatsapp_business_account', entry })
    await postWebhook(system.webhookUrl(tenant), tenant.appSecret, body)
    return child.exitCode !== null
  })
  expect(JSON.parse(await shown)).toMatchObject({ direction: 'in', type: 'text' })
  const { stdout } = await run(['conversations', 'list'])
  expect(stdout).toContain('Hi ')
  expect(stdout).not.toContain('\u001b')
})

test('each way to fail has its exit code, and says what to do', async () => {
  const without = { HOME: '/nonexistent' }
  const wrong = { LOCKSTEP_API_URL: url, LOCKSTEP_API_KEY: `lk_${'a'.repeat(43)}` }
  const away = { ...wrong, LOCKSTEP_API_URL: 'http://127.0.0.1:1' }
  const missing = '019adb00-0000-7000-8000-000000000000'
  const cases = [
    [['contacts', 'list'], without, 2, 'Nobody is logged in'],
    [['contacts', 'lst'], {}, 2, "unknown command 'lst'"],
    [['contacts', 'list', '--limit', '0'], {}, 2, 'It must be a whole number from 1'],
    [['contacts', 'list', '--context', 'other'], {}, 2, 'There is no context "other"'],
    [['contacts', 'list'], wrong, 3, 'lockstep login'],
    [['contacts', 'get', missing], {}, 4, 'Request '],
    [['contacts', 'list'], away, 5, 'Is the API running'],
  ] as const
  const ended = await Promise.all(cases.map(([args, env]) => run(args, '', env)))
  for (const [at, [args, , code, said]] of cases.entries())
    expect([args, ended[at]]).toEqual([
      args,
      { code, stdout: '', stderr: expect.stringContaining(said) },
    ])
  const { stderr } = await run(['--json', 'contacts', 'get', missing])
  expect(JSON.parse(stderr).error).toMatchObject({ code: 'not_found', status: 404 })
})

test('a wrong key is not kept, and a key that is withdrawn opens nothing', async () => {
  const login = await run(['login', '--url', url, '--name', 'bad'], 'lk_nonsense')
  expect(login).toMatchObject({ code: 3, stdout: '' })
  expect(await readFile(contexts(), 'utf8')).not.toContain('bad')
  const [made] = await json('api-keys', 'create', '--name', 'agent', '--right', 'contacts.read')
  const agent = { LOCKSTEP_API_URL: url, LOCKSTEP_API_KEY: made.key as string }
  expect((await run(['contacts', 'list'], '', agent)).code).toBe(0)
  expect((await run(['campaigns', 'list'], '', agent)).code).toBe(3)
  await json('api-keys', 'withdraw', made.id)
  expect(await json('audit', '--target', made.id, '--action', 'withdrawApiKey')).toMatchObject([
    { action: 'withdrawApiKey', target_id: made.id },
  ])
  await until(async () => (await run(['contacts', 'list'], '', agent)).code === 3)
})

test('people are invited by commands, and invitations ended', async () => {
  const asked = ['--email', 'ana@example.com', '--role', 'viewer']
  const [made] = await json('invitations', 'create', ...asked)
  expect(made.link).toMatch(/#li_/)
  const [listed] = await json('invitations', 'list')
  expect(listed).toMatchObject({ id: made.id, email: 'ana@example.com', mailed_at: null })
  await json('invitations', 'withdraw', made.id)
  const [after] = await json('invitations', 'list')
  expect(after.withdrawn_at).not.toBeNull()
})

test('an account has roles of its own by commands, and its members are listed', async () => {
  const asked = ['--name', 'Night', '--right', 'contacts.read', '--right', 'keys.read']
  const [made] = await json('roles', 'create', ...asked)
  expect(made.rights).toEqual(['contacts.read', 'keys.read'])
  await json('roles', 'update', made.id, '--name', 'Night shift')
  const listed = await json('roles', 'list')
  expect(listed.find(({ id }) => id === made.id)).toMatchObject({ name: 'Night shift' })
  expect(listed.map(({ name }) => name)).toContain('viewer')
  await json('roles', 'delete', made.id)
  expect((await json('roles', 'list')).some(({ id }) => id === made.id)).toBe(false)
  expect(await json('members', 'list')).toEqual([])
  expect((await run(['members', 'remove', made.id])).code).toBe(4)
})

test('events are shown as they come, across a lost connection, each once', async () => {
  await using proxy = await openProxy(url)
  const env = { LOCKSTEP_API_URL: proxy.url, LOCKSTEP_API_KEY: tenant.apiKey }
  const child = start(['--json', 'events', 'tail', '--topic', 'imports'], env)
  const closed = once(child, 'close')
  let shown = ''
  child.stdout.setEncoding('utf8').on('data', (more: string) => {
    shown += more
  })
  const file = path.join(folder, 'event.csv')
  const importOne = async (n: number) => {
    await writeFile(file, `name,phone\nBo,+49 1512 00000${n}\n`)
    return (await json('import', file))[0]!.id as string
  }
  // It begins with what comes, so that the first is repeated until it is there.
  await until(async () => {
    await importOne(10)
    return shown !== ''
  }, 30_000)
  await proxy.down()
  const missed = await importOne(11)
  await proxy.up()
  await until(() => shown.includes(`"subject_id":"${missed}"`), 30_000)
  const afterwards = await importOne(12)
  await until(() => shown.includes(`"subject_id":"${afterwards}"`), 30_000)
  child.kill('SIGINT')
  expect((await closed)[0]).toBe(130)
  const ids = shown
    .trimEnd()
    .split('\n')
    .map((line) => Number(JSON.parse(line).id))
  expect(ids).toEqual([...new Set(ids)].sort((a, b) => a - b))
  const [last] = await json('events', 'tail', '--after', String(ids.at(-2)), '--last', '1')
  expect(Number(last.id)).toBe(ids.at(-1))
}, 60_000)

test('a webhook endpoint is made, tested, rotated, enabled, looked at and replayed', async () => {
  const server = createServer((request, response) =>
    request.resume().on('end', () => response.end()),
  )
  await using _server = {
    [Symbol.asyncDispose]: async () => void server.close().closeAllConnections(),
  }
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const to = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`
  const endpoints = (...args: string[]) => json('webhook-endpoints', ...args)
  const [made] = await endpoints('create', to, '--topic', 'imports', 'webhooks')
  expect(made).toMatchObject({ url: to, secret: expect.stringMatching(/^whsec_/) })
  expect(await endpoints('list')).toMatchObject([{ id: made.id, topics: ['imports', 'webhooks'] }])
  expect(await endpoints('test', made.id)).toMatchObject([{ delivered: true }])
  const [rotated] = await endpoints('rotate', made.id, '--overlap-hours', '1')
  expect(rotated.secret).not.toBe(made.secret)
  expect(await endpoints('enable', made.id)).toMatchObject([{ enabled: true }])
  const file = path.join(folder, 'hook.csv')
  await writeFile(file, 'name,phone\nBo,+49 1512 0000077\n')
  await json('import', file)
  const [delivery] = await until(async () => {
    const all = await endpoints('deliveries', made.id, '--state', 'delivered')
    return all.length > 0 && all
  })
  expect(delivery).toMatchObject({ endpoint_id: made.id, kind: 'import.progress' })
  expect(await endpoints('replay', made.id, '--delivery', delivery.id)).toEqual([{ deliveries: 1 }])
})

test('the audit log is written to a file whole, and never over another file', async () => {
  const file = path.join(folder, 'audit.csv')
  const exported = ['audit-log', 'export', '--action', 'createWebhookEndpoint']
  expect(await run([...exported, '--output', file])).toMatchObject({ code: 0, stdout: '' })
  const [head, ...rows] = (await readFile(file, 'utf8')).trimEnd().split('\r\n')
  expect(head).toMatch(/^id,at,action,/)
  expect(rows).toHaveLength(1)
  expect((await run([...exported, '--output', file])).code).toBe(1)
  const { stdout } = await run([...exported, '--format', 'ndjson'])
  expect(JSON.parse(stdout)).toMatchObject({ action: 'createWebhookEndpoint' })
})

test('dead letters are listed, tried again and given up by commands', async () => {
  const bury = (id: number) =>
    system.world.sql(
      `insert into campaigns.feed_dead (id, lane, key, kind, account_id, row_id, bytes, attempts, created_at, reason)
       values ($1, 'campaigns.run', gen_random_uuid(), '', $2, '', 0, 3, now(), 'It is broken')`,
      [id, tenant.accountId],
    )
  await bury(9_001)
  await bury(9_002)
  const letters = (...args: string[]) => json('dead-letters', ...args)
  expect((await letters('list')).map(({ id }) => id)).toEqual(['9002', '9001'])
  expect(await letters('replay', 'campaigns.run', '9001')).toEqual([{ replayed: 1 }])
  expect(await letters('dismiss', 'campaigns.run', '9002', '9003')).toEqual([{ dismissed: 1 }])
  // There is no such campaign, so the one that is tried again may be dead once more.
  const left = await letters('list', '--lane', 'campaigns.run')
  expect(left.map(({ id }) => id)).not.toContain('9002')
})

test('a shell completes commands and their options', async () => {
  const words = (line: string) => `COMP_WORDS=(${line}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))`
  const show = `lockstep_all() { _lockstep; echo "\${COMPREPLY[@]}"; }`
  const lines = [
    `lockstep() { "${process.execPath}" "${main}" "$@"; }`,
    'eval "$(lockstep completion bash)"',
    show,
    `${words('lockstep camp')}; lockstep_all`,
    `${words('lockstep campaigns create --te')}; lockstep_all`,
  ]
  const child = spawn('bash', ['-c', lines.join('\n')], { env: environment() })
  expect(await text(child.stdout)).toBe('campaigns\n--template\n')
})
