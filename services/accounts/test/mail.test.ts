import { readFileSync } from 'node:fs'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { everyRight } from '@lockstep/contracts'
import { spawnService } from '@lockstep/system'
import { certificateOf, type MailServer, startMailServer, until } from '@lockstep/testing'
import { startSystem, type TestSystem } from '@lockstep/testing/system'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'

const up = new AsyncDisposableStack()
let server: MailServer
let system: TestSystem
let accounts: TestSystem['clients']['accounts']
let account: { accountId: string }

const authority = certificateOf('accounts').ca
const mailFrom = 'Lockstep <no-reply@example.com>'
const from = (url: string) => ({
  LOCKSTEP_SMTP_URL: url,
  LOCKSTEP_MAIL_FROM: mailFrom,
  LOCKSTEP_PUBLIC_URL: 'https://lockstep.example.com',
})
/** Waits of seconds are a few ms. */
const quick = { services: ['accounts'], scale: 0.01 } as const

beforeAll(async () => {
  setDefaultCACertificates([...getCACertificates('default'), readFileSync(authority, 'utf8')])
  const auth = { user: 'lockstep', password: 'p@ss word' }
  server = up.use(await startMailServer({ tls: true, auth }))
  const url = server.url.replace('p@ss word', 'p%40ss%20word')
  system = up.use(await startSystem({ ...quick, environment: from(url) }))
  accounts = system.clients.accounts
})
beforeEach(async () => {
  account = { accountId: (await accounts.createAccount({ name: 'Acme' }, {})).id }
  server.mails.length = 0
})
afterAll(() => up.disposeAsync())

const invite = async (email: string, of = accounts, by = account) => {
  const asked = { email, role: 'owner', heldRights: [everyRight] }
  return (await of.createInvitation(asked, by)).invitation!
}
const password = 'correct horse battery'
/** Somebody who belongs to the account. */
async function member(email: string): Promise<string> {
  const asked = { email, role: 'owner', heldRights: [everyRight] }
  const { token } = await accounts.createInvitation(asked, account)
  const { person } = await accounts.acceptInvitation({ token, name: 'Ana', password }, {})
  await until(async () => (await waiting()) === 0)
  server.mails.length = 0
  return person!.id
}
const shown = async (id: string, by = account) =>
  (await accounts.listInvitations({}, by)).invitations.find((one) => one.id === id)!
const waiting = async () =>
  (await system.world.sql("select 1 from accounts.feed_open where lane = 'accounts.mail'")).length
const mailed = (count = 1) => until(() => server.mails.length === count && server.mails[0])
const linkIn = (text: string) => /https:\/\/lockstep\.example\.com\/\S+/.exec(text)?.[0] ?? ''
const tokenIn = (text: string) => linkIn(text).split('#')[1]!

test('an invitation is mailed over TLS to a server that asks who sends, and its link opens the account', async () => {
  const { id } = await invite('ana@example.com')
  const { recipients, headers, text, encrypted, user } = (await mailed())!
  expect({ recipients, encrypted, user }).toEqual({
    recipients: ['ana@example.com'],
    encrypted: true,
    user: 'lockstep',
  })
  expect(headers).toMatchObject({
    from: mailFrom,
    to: 'ana@example.com',
    subject: 'Invitation to Acme',
    'message-id': expect.stringMatching(/^<[\da-f-]{36}@example\.com>$/),
  })
  expect(linkIn(text)).toMatch(/\/invitation#li_[\w-]{43}$/)
  await until(async () => (await shown(id)).mailedAtMs)
  expect((await shown(id)).mailError).toBe('')
  const [row] = await system.world.sql('select sealed_token, attempts from accounts.mails')
  expect(row).toEqual({ sealed_token: null, attempts: 1 })
  const joined = { token: tokenIn(text), name: 'Ana', password }
  expect((await accounts.acceptInvitation(joined, {})).person!.email).toBe('ana@example.com')
})

test('a mail waits, sealed, for a server that is away, which is told, and comes once', async () => {
  await server.stop()
  const { id } = await invite('bea@example.com')
  await until(async () => (await shown(id)).mailError)
  expect(await shown(id)).toMatchObject({ mailedAtMs: undefined, mailError: /ECONNREFUSED/ })
  const [row] = await system.world.sql<{ text: string }>(
    "select encode(sealed_token, 'escape') as text from accounts.mails where sealed_token is not null",
  )
  expect(row!.text).not.toContain('li_')
  await server.restart()
  const { text } = (await mailed())!
  await until(async () => (await shown(id)).mailedAtMs)
  expect(row!.text).not.toContain(tokenIn(text).slice(3, 20))
  expect(await shown(id)).toMatchObject({ mailError: '' })
  expect(await waiting()).toBe(0)
  expect(server.mails).toHaveLength(1)
})

test('a process that is killed before it hears the answer sends it again under the same Message-ID', async () => {
  const ids: string[] = []
  let kill = async () => {}
  await using there = await startMailServer({
    beforeAnswer: async ({ headers }) => {
      ids.push(headers['message-id']!)
      await kill()
    },
  })
  await using other = await startSystem({ services: [], environment: from(there.url) })
  const spawn = () =>
    spawnService('accounts', other.ports, other.surroundings, other.world.nats.dir)
  await using first = await spawn()
  kill = async () => void (await first.stop('SIGKILL'))
  const client = other.clients.accounts
  const { id: accountId } = await client.createAccount({ name: 'Acme' }, {})
  await invite('cleo@example.com', client, { accountId })
  await until(() => ids.length === 1 && first.exited)
  kill = async () => {}
  await using _second = await spawn()
  await until(() => ids.length === 2, 60_000)
  expect(ids[1]).toBe(ids[0])
  const rows = () => other.world.sql('select 1 from accounts.mails where mailed_at is not null')
  await until(async () => (await rows()).length === 1)
})

test('a link that was withdrawn or is over is not mailed any more', async () => {
  await server.stop()
  const late = await invite('dan@example.com')
  const withdrawn = await invite('eve@example.com')
  for (const { id } of [late, withdrawn]) await until(async () => (await shown(id)).mailError)
  await accounts.withdrawInvitation({ id: withdrawn.id, heldRights: [everyRight] }, account)
  await system.world.sql('update accounts.mails set expires_at = now() where invitation_id = $1', [
    late.id,
  ])
  await until(async () => (await waiting()) === 0)
  await server.restart()
  const left = 'select 1 from accounts.mails where sealed_token is not null'
  expect([server.mails, await system.world.sql(left)]).toEqual([[], []])
  expect(await shown(late.id)).toMatchObject({ mailedAtMs: undefined, mailError: /ECONNREFUSED/ })
})

test('names and addresses add neither a header nor a recipient', async () => {
  const name = 'Acme\r\nBcc: eve@example.com\r\n\r\nhttps://evil.example.com'
  account = { accountId: (await accounts.createAccount({ name }, {})).id }
  await invite('a,eve@example.com')
  const { recipients, headers, text } = (await mailed())!
  expect(recipients).toEqual(['"a,eve"@example.com'])
  expect(Object.keys(headers).sort()).toEqual(
    [
      ...['auto-submitted', 'content-transfer-encoding', 'content-type', 'date', 'from'],
      ...['message-id', 'mime-version', 'subject', 'to'],
    ].sort(),
  )
  expect(text.split(/\r?\n/).filter((line) => line.startsWith('https://evil'))).toEqual([])
})

test('who forgot their password gets a link by mail, which is good where they belong to several accounts', async () => {
  const email = 'fay@example.com'
  const id = await member(email)
  account = { accountId: (await accounts.createAccount({ name: 'Second' }, {})).id }
  const { token } = await accounts.createInvitation(
    { email, role: 'owner', heldRights: [everyRight] },
    account,
  )
  await accounts.acceptInvitation({ token, password }, {})
  await until(async () => (await waiting()) === 0)
  server.mails.length = 0
  const asked = { email: ' Fay@Example.com', origin: { address: '10.0.0.1' } }
  expect(await accounts.requestPasswordReset(asked, {})).toEqual({})
  const { recipients, text } = (await mailed())!
  expect([recipients, linkIn(text)]).toEqual([
    [email],
    expect.stringMatching(/\/password-reset#lr_[\w-]{43}$/),
  ])
  const other = 'another good password'
  expect(await accounts.resetPassword({ token: tokenIn(text), password: other }, {})).toMatchObject(
    { id },
  )
  const entries = await system.world.sql(
    "select actor_kind, address, target_id from accounts.audit_entries where action = 'requestPasswordReset'",
  )
  expect(entries).toEqual([{ actor_kind: 'nobody', address: '10.0.0.1', target_id: id }])
})

test('a request for an e-mail that is nobody’s gets the same answer and sends nothing; a few are too many', async () => {
  const asked = { email: 'nobody@example.com', origin: { address: '10.0.0.2' } }
  for (let i = 0; i < 3; i++) expect(await accounts.requestPasswordReset(asked, {})).toEqual({})
  await expect(accounts.requestPasswordReset(asked, {})).rejects.toMatchObject({
    failure: 'throttled',
  })
  await until(async () => (await waiting()) === 0)
  const resets = 'select 1 from accounts.password_resets'
  expect([server.mails, await system.world.sql(resets)]).toEqual([[], []])
})

test('a request that is handled again after a crash makes one link', async () => {
  const id = await member('gil@example.com')
  const key = crypto.randomUUID()
  const body = { email: 'gil@example.com', address: '', requestId: '' }
  const add = () =>
    system.world.sql(
      "insert into accounts.feed_open (lane, key, kind, body) values ('accounts.mail', $1, 'reset', convert_to($2, 'UTF8'))",
      [key, JSON.stringify(body)],
    )
  await add()
  await mailed()
  await add()
  await until(async () => (await waiting()) === 0)
  const links = 'select 1 from accounts.password_resets where person_id = $1'
  expect(await system.world.sql(links, [id])).toHaveLength(1)
  expect(server.mails).toHaveLength(1)
  expect(await system.world.sql('select reason from accounts.feed_dead')).toEqual([])
})

test('a server without TLS gets no link, unless the operator says that it has none', async () => {
  await using plain = await startMailServer()
  await using secret = await startSystem({
    ...quick,
    environment: from(plain.url.replace('?tls=none', '')),
  })
  const { accounts: client } = secret.clients
  const by = { accountId: (await client.createAccount({ name: 'Acme' }, {})).id }
  await invite('hal@example.com', client, by)
  const first = async () => (await client.listInvitations({}, by)).invitations[0]!
  await until(async () => (await first()).mailError)
  expect([(await first()).mailError, plain.mails]).toEqual([expect.stringMatching(/STARTTLS/i), []])
})

test('without a mail server links are made as ever, and nobody can ask for one without signing in', async () => {
  await using none = await startSystem(quick)
  const { accounts: client } = none.clients
  const by = { accountId: (await client.createAccount({ name: 'Acme' }, {})).id }
  await invite('ida@example.com', client, by)
  expect(await none.world.sql('select 1 from accounts.mails')).toEqual([])
  await expect(client.requestPasswordReset({ email: 'ida@example.com' }, {})).rejects.toMatchObject(
    {
      failure: 'precondition',
    },
  )
})

test('a mail server alone is no configuration', async () => {
  const { LOCKSTEP_SMTP_URL } = from(server.url)
  const environment = { LOCKSTEP_SMTP_URL }
  await expect(startSystem({ ...quick, environment })).rejects.toThrow(/LOCKSTEP_MAIL_FROM/)
})
