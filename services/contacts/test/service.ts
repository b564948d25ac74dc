import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { createServer } from 'node:net'
import path from 'node:path'
import type { Learned } from '@lockstep/contracts'
import { connect, type RpcClient } from '@lockstep/rpc'
import { ContactsDefinition, type Import, type InboundPerson } from '@lockstep/rpc/gen/contacts'
import { FeedDefinition } from '@lockstep/rpc/gen/feed'
import { type BaseOverrides, startService } from '@lockstep/service'
import { createWorld, until, type World } from '@lockstep/testing'
import type { Config } from '../src/config.ts'
import { contactsService } from '../src/service.ts'

export const scale = 0.05

export interface Setting extends AsyncDisposable {
  world: World
  config: Config
  contacts: RpcClient<typeof ContactsDefinition>
  /** A new tenant's call. */
  call: { accountId: string }
}

/** A service that stands in its own world; its feed also plays the part of that of campaigns. */
export async function openSetting(
  options: { service?: boolean } & BaseOverrides = {},
): Promise<Setting> {
  await using up = new AsyncDisposableStack()
  const world = up.use(await createWorld())
  const grpcPort = await freePort()
  const base = world.base('contacts')
  const addresses = { ...base.addresses, campaigns: `127.0.0.1:${grpcPort}` }
  const config: Config = { ...base, grpcPort, addresses }
  if (options.service !== false)
    up.use(await startService(contactsService, config, { scale, ...options }))
  const contacts = up.use(connect(ContactsDefinition, `127.0.0.1:${grpcPort}`))
  const call = { accountId: randomUUID() }
  // The service looked for the feed of campaigns at its own port before that was open; gRPC tries again after a while only.
  if (options.service !== false)
    await until(() => contacts.listContacts({ tag: '', after: '', limit: 1 }, call))
  const opened = up.move()
  return { world, config, contacts, call, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}

/** The service as a process of its own, which a test may kill. Its configuration should name its port. */
export function spawnService(config: Config): ChildProcess {
  const script = path.join(import.meta.dirname, 'service-process.ts')
  return spawn(process.execPath, [script, JSON.stringify({ config, scale })], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((ready) => server.once('listening', ready))
  const { port } = server.address() as { port: number }
  await new Promise((closed) => server.close(closed))
  return port
}

export const person = (fields: Partial<InboundPerson>): InboundPerson => ({
  accountId: '',
  waId: '',
  userId: '',
  parentUserId: '',
  profileName: '',
  givenName: '',
  username: '',
  atMs: 1_700_000_000_000,
  text: '',
  wamid: '',
  preference: '',
  button: false,
  stopOnly: false,
  silent: false,
  movedFromWaId: '',
  movedFromUserId: '',
  ...fields,
})

/** The contacts of people from whom something came in. */
export async function inbound(
  { contacts, call }: Pick<Setting, 'contacts' | 'call'>,
  ...people: Partial<InboundPerson>[]
): Promise<string[]> {
  const answer = await contacts.recordInbound(
    { people: people.map((fields) => person({ accountId: call.accountId, ...fields })) },
    {},
  )
  return answer.contactIds
}

export async function* file(bytes: string | Buffer, pieceBytes = 1_000_000, defaultCountry = '') {
  const all = Buffer.from(bytes)
  yield { fileName: 'people.csv', chunk: Buffer.alloc(0), defaultCountry }
  for (let at = 0; at < all.length; at += pieceBytes)
    yield { fileName: '', chunk: all.subarray(at, at + pieceBytes) }
}

/** Imports a CSV and waits for its end. */
export async function importCsv(
  setting: Pick<Setting, 'contacts' | 'call'>,
  bytes: string | Buffer,
  pieceBytes?: number,
): Promise<Import> {
  const { id } = await setting.contacts.createImport(file(bytes, pieceBytes), setting.call)
  return ended(setting, id)
}

export function ended(
  { contacts, call }: Pick<Setting, 'contacts' | 'call'>,
  id: string,
): Promise<Import> {
  return until(async () => {
    const found = await contacts.getImport({ id }, call)
    return found.state === 'done' || found.state === 'failed' ? found : undefined
  }, 60_000)
}

export const counts = ({ state, rows, created, updated, duplicates, rejected }: Import) => ({
  state,
  rows,
  created,
  updated,
  duplicates,
  rejected,
})

/** Every contact of the tenant. */
export async function allContacts({ contacts, call }: Pick<Setting, 'contacts' | 'call'>) {
  const all = []
  for (let after = ''; ; ) {
    const page = await contacts.listContacts({ tag: '', after, limit: 200 }, call)
    all.push(...page.contacts)
    if (page.contacts.length < 200) return all
    after = page.contacts.at(-1)!.id
  }
}

/** Puts what sending taught into the feed, as campaigns would, and wakes its worker. */
export async function teach(
  { world, config }: Setting,
  ...entries: ({ accountId: string } & Learned)[]
): Promise<void> {
  await world.sql(
    `insert into contacts.feed_open (lane, key, account_id, body)
     select 'contacts.learn', v->>'accountId', (v->>'accountId')::uuid, convert_to(jsonb_build_array(v)::text, 'UTF8') from jsonb_array_elements($1::jsonb) v`,
    [JSON.stringify(entries)],
  )
  using feed = connect(FeedDefinition, `127.0.0.1:${config.grpcPort}`)
  await feed.wake({ lane: 'contacts.learn' }, {})
}
