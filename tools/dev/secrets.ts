import { parseArgs } from 'node:util'
import { connect } from '@lockstep/rpc'
import { AccountsDefinition } from '@lockstep/rpc/gen/accounts'
import { ContactsDefinition } from '@lockstep/rpc/gen/contacts'
import {
  type CountSecretsResponse,
  EventsDefinition,
  type ResealSecretsResponse,
} from '@lockstep/rpc/gen/events'
import { addressOfService, certificate } from './operator.ts'
import { createScreen } from './screen.ts'

const help = `npm run secrets -- [status | reseal] [--after PLACE] [--json]

  status   how many stored secrets each key has sealed (default): a key with none may go. Exit code 1 when a key is missing

  reseal   seals every stored secret again that isn't sealed with the first key of LOCKSTEP_ENCRYPTION_KEY, a page of rows at a
           time. Afterwards the other keys may be removed. It may be broken off and begun again; --after goes on at a place.

  It asks the system that npm start runs, or the services at LOCKSTEP_ACCOUNTS_ADDRESS, LOCKSTEP_CONTACTS_ADDRESS and
  LOCKSTEP_EVENTS_ADDRESS with the operator's certificate in LOCKSTEP_GRPC_TLS_CA, LOCKSTEP_GRPC_TLS_CERT and LOCKSTEP_GRPC_TLS_KEY.`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    after: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
const screen = createScreen(values.json)

/** A service that keeps sealed secrets, and what its places begin with. */
interface Keeper {
  name: 'accounts' | 'contacts' | 'events'
  table: RegExp
  page(after: string): Promise<ResealSecretsResponse>
  count(): Promise<CountSecretsResponse>
}

async function withKeepers(work: (keepers: Keeper[]) => Promise<void>): Promise<void> {
  const tls = certificate()
  using accounts = connect(AccountsDefinition, addressOfService('accounts'), tls)
  using contacts = connect(ContactsDefinition, addressOfService('contacts'), tls)
  using events = connect(EventsDefinition, addressOfService('events'), tls)
  const call = { timeoutMs: 60_000 }
  await work([
    {
      name: 'accounts',
      table: /^(apps|connections|mails|second_factors|sign_ups):/,
      page: (after) => accounts.resealSecrets({ after }, call),
      count: () => accounts.countSecrets({}, call),
    },
    {
      name: 'contacts',
      table: /^forgotten_keys:/,
      page: (after) => contacts.resealSecrets({ after }, call),
      count: () => contacts.countSecrets({}, call),
    },
    {
      name: 'events',
      table: /^webhook_endpoints:/,
      page: (after) => events.resealSecrets({ after }, call),
      count: () => events.countSecrets({}, call),
    },
  ])
}

async function reseal(keepers: Keeper[]): Promise<void> {
  const first = Math.max(
    0,
    keepers.findIndex(({ table }) => table.test(values.after)),
  )
  const done: Resealed = { resealed: 0, unreadable: [], keyIds: {} }
  for (const keeper of keepers.slice(first))
    await resealAll(keeper, keeper === keepers[first] ? values.after : '', done)
  report(done)
}

interface Resealed {
  resealed: number
  unreadable: string[]
  /** The key that seals, by service. */
  keyIds: Record<string, number>
}

async function resealAll({ name, page }: Keeper, from: string, done: Resealed): Promise<void> {
  for (let after = from, isLast = false; !isLast; isLast = after === '') {
    const answer = await page(after)
    after = answer.next
    done.keyIds[name] = answer.keyId
    done.resealed += answer.resealed
    done.unreadable.push(...answer.unreadable)
    if (after && answer.resealed > 0)
      screen.line(`  ${done.resealed} rows so far; if this ends, go on with --after ${after}`)
  }
}

function report({ resealed, unreadable, keyIds }: Resealed): void {
  if (values.json) console.log(JSON.stringify({ resealed, unreadable, keyIds }))
  if (unreadable.length > 0) process.exitCode = 1
  if (values.json) return
  const keys = [...new Set(Object.values(keyIds))].join(' and ')
  screen.line(`${resealed} rows are sealed with key ${keys} now.`)
  screen.line(
    unreadable.length === 0
      ? 'When a second run finds 0 rows, LOCKSTEP_ENCRYPTION_KEY needs no other key any more.'
      : `${unreadable.length} rows can't be opened with any key and are left as they are:\n  ${unreadable.join('\n  ')}`,
  )
}

/** What a key of any service is good for still. */
interface KeyStatus {
  service: string
  key: number
  secrets: number
  /** newest: it seals; in use: it opens what is stored; unused: it may go; missing: no process has it. */
  state: 'newest' | 'in use' | 'unused' | 'missing'
}

async function status(keepers: Keeper[]): Promise<void> {
  const keys = (await Promise.all(keepers.map(statusOf))).flat()
  if (keys.some(({ state }) => state === 'missing')) process.exitCode = 1
  if (values.json) return console.log(JSON.stringify(keys))
  screen.table(
    ['service', 'key', 'secrets', 'state'],
    keys.map(({ service, key, secrets, state }) => [service, key, secrets, state]),
  )
  const used = new Set(keys.filter(({ state }) => state !== 'unused').map(({ key }) => key))
  const idle = [...new Set(keys.map(({ key }) => key))].filter((key) => !used.has(key))
  if (idle.length > 0)
    screen.line(
      `  No service has a secret of key ${idle.join(' or ')}: LOCKSTEP_ENCRYPTION_KEY needs it no more, once every process has the newest key first.`,
    )
  if (keys.some(({ state }) => state === 'in use'))
    screen.line('  Seal what other keys have sealed again: npm run secrets -- reseal')
}

async function statusOf({ name: service, count }: Keeper): Promise<KeyStatus[]> {
  const { counts, keyIds } = await count()
  const all = [...new Set([...keyIds, ...counts.map(({ keyId }) => keyId)])]
  return all.map((key) => {
    const secrets = counts
      .filter(({ keyId }) => keyId === key)
      .reduce((sum, each) => sum + each.secrets, 0)
    const open = key === keyIds[0] ? 'newest' : secrets > 0 ? 'in use' : 'unused'
    return { service, key, secrets, state: keyIds.includes(key) ? open : 'missing' }
  })
}

function main(): Promise<void> | void {
  if (values.help) return console.log(help)
  const [order = 'status', ...more] = positionals
  if (more.length > 0 || (order !== 'status' && order !== 'reseal')) throw new Error(help)
  return withKeepers(order === 'status' ? status : reseal)
}

try {
  await main()
} catch (error) {
  screen.line((error as Error).message)
  process.exitCode = 2
}
