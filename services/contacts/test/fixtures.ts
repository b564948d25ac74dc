import { randomUUID } from 'node:crypto'
import path from 'node:path'
import type { IdentityUpdate } from '@lockstep/contracts'
import { connect, type RpcClient } from '@lockstep/rpc'
import type { ContactsDefinition, Import, InboundPerson, Merged } from '@lockstep/rpc/gen/contacts'
import { FeedDefinition } from '@lockstep/rpc/gen/feed'
import { type BaseOverrides, readConfig } from '@lockstep/service'
import {
  environmentOf,
  type PortPlan,
  type ServiceProcess,
  spawnService,
  startInProcess,
} from '@lockstep/system'
import { until, type World } from '@lockstep/testing'
import { startSystem } from '@lockstep/testing/system'
import { type Config, config } from '../src/config.ts'

const scale = 0.05

/** Contacts in a world of its own; its feed also plays the part of that of campaigns. */
export interface TestContacts extends AsyncDisposable {
  world: World
  /** For `openContext`. */
  config: Config
  contacts: RpcClient<typeof ContactsDefinition>
  /** A new tenant's call. */
  call: { accountId: string }
  feedAddress: string
  /** Starts the service in this process, at the address of the clients. */
  start(overrides?: BaseOverrides): Promise<AsyncDisposable>
  /** Starts it as a process of its own that a test may kill, at the address of the clients or at another. */
  spawn(ports?: PortPlan): Promise<ServiceProcess>
}

/** Servers for contacts, without the service itself. */
export async function prepareContacts(): Promise<TestContacts> {
  const system = await startSystem({ services: [] })
  const { world, surroundings, clients } = system
  const ports = { ...system.ports, campaigns: system.ports.contacts }
  const main = [path.join(import.meta.dirname, 'service-process.ts'), String(scale)]
  return {
    world,
    config: readConfig(
      { name: 'contacts', config },
      environmentOf('contacts', ports, surroundings),
    ),
    contacts: clients.contacts,
    call: { accountId: randomUUID() },
    feedAddress: `127.0.0.1:${ports.contacts.grpc}`,
    start: (overrides) =>
      startInProcess(ports, surroundings, ['contacts'], { scale, ...overrides }),
    spawn: (at = ports) => spawnService('contacts', at, surroundings, world.nats.dir, main),
    [Symbol.asyncDispose]: () => system[Symbol.asyncDispose](),
  }
}

/** The service, started and found by its clients. */
export async function startContacts(overrides?: BaseOverrides): Promise<TestContacts> {
  await using stack = new AsyncDisposableStack()
  const prepared = stack.use(await prepareContacts())
  stack.use(await prepared.start(overrides))
  // It looked for the feed of campaigns at its own port before that was open; gRPC tries again after a while only.
  await until(() => prepared.contacts.listContacts({ tag: '', after: '', limit: 1 }, prepared.call))
  const opened = stack.move()
  return { ...prepared, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}

export const person = (fields: Partial<InboundPerson>): InboundPerson => ({
  ref: '',
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

/** Records people from whom something came in; the contact ids stand in their order. */
export async function recordPeople(
  contacts: TestContacts['contacts'],
  people: Partial<InboundPerson>[],
): Promise<{ contactIds: string[]; merged: Merged[] }> {
  const named = people.map((fields, at) => person({ ref: `person ${at}`, ...fields }))
  const { contactIds, merged } = await contacts.recordInbound({ people: named }, {})
  return { contactIds: named.map(({ ref }) => contactIds[ref]!), merged }
}

/** The contacts of people from whom something came in. */
export async function inbound(
  { contacts, call }: Pick<TestContacts, 'contacts' | 'call'>,
  ...people: Partial<InboundPerson>[]
): Promise<string[]> {
  const named = people.map((fields) => ({ accountId: call.accountId, ...fields }))
  return (await recordPeople(contacts, named)).contactIds
}

export async function* file(bytes: string | Buffer, pieceBytes = 1_000_000, defaultCountry = '') {
  const all = Buffer.from(bytes)
  yield { fileName: 'people.csv', chunk: Buffer.alloc(0), defaultCountry }
  for (let at = 0; at < all.length; at += pieceBytes)
    yield { fileName: '', chunk: all.subarray(at, at + pieceBytes) }
}

/** Imports a CSV and waits for its end. */
export async function importCsv(
  system: Pick<TestContacts, 'contacts' | 'call'>,
  bytes: string | Buffer,
  pieceBytes?: number,
): Promise<Import> {
  const { id } = await system.contacts.createImport(file(bytes, pieceBytes), system.call)
  return ended(system, id)
}

export function ended(
  { contacts, call }: Pick<TestContacts, 'contacts' | 'call'>,
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
export async function allContacts({ contacts, call }: Pick<TestContacts, 'contacts' | 'call'>) {
  const all = []
  for (let after = ''; ; ) {
    const page = await contacts.listContacts({ tag: '', after, limit: 200 }, call)
    all.push(...page.contacts)
    if (page.contacts.length < 200) return all
    after = page.contacts.at(-1)!.id
  }
}

/** Puts identity updates into the feed, as campaigns would, and rings for them. */
export async function updateIdentities(
  { world, feedAddress }: TestContacts,
  ...updates: ({ accountId: string } & IdentityUpdate)[]
): Promise<void> {
  await world.sql(
    `insert into contacts.feed_open (lane, key, account_id, body)
     select 'contacts.identity-updates', v->>'accountId', (v->>'accountId')::uuid,
       convert_to(jsonb_build_array(v)::text, 'UTF8') from jsonb_array_elements($1::jsonb) v`,
    [JSON.stringify(updates)],
  )
  using feed = connect(FeedDefinition, feedAddress)
  await feed.wake({ lane: 'contacts.identity-updates' }, {})
}
