import { type ChildProcess, fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { setPriority } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { audit } from '@lockstep/audit'
import { postWebhook, until } from '@lockstep/testing'
import { phones, type Tenant } from '@lockstep/testing/system'
import { seedNumbers } from '../../../tools/bench/src/seed.ts'
import { openWatcher, type Watcher } from '../../../tools/bench/src/watcher.ts'
import type { NeighbourPlan, NeighbourReport } from '../neighbour-process.ts'
import { judge } from '../requirements.ts'
import { assertClean, type FaultRun } from '../run.ts'
import type { FaultScenario, Size } from '../scenario.ts'

const sizes = {
  short: {
    seconds: 8,
    campaigns: 300,
    csvFiles: 2,
    csvRows: 10_000,
    ownNumbers: 200,
    settleMs: 45_000,
    recipients: 200,
  },
  full: {
    seconds: 20,
    campaigns: 10_000,
    csvFiles: 4,
    csvRows: 100_000,
    ownNumbers: 500,
    settleMs: 300_000,
    recipients: 1_000,
  },
} as const

/** A stop counts this long after its 200 at the latest; a check and a webhook take so long. */
const bounds = { stopMs: 2_000, checkMs: 200, intakeMs: 1_000 }
/** The short form runs beside other tests: there it is only asked that nobody is kept waiting for long. */
const boundsOf = (size: Size): typeof bounds =>
  size === 'full' ? bounds : { stopMs: 15_000, checkMs: 5_000, intakeMs: 10_000 }

export const neighbour: FaultScenario = {
  name: 'neighbour',
  guarantee:
    "one tenant does everything it can at full rate: another tenant's stops count within 2 s, checks take 200 ms and intake 1 s, and every invariant holds",
  processes: ['accounts', 'webhook-gateway', 'contacts', 'templates', 'campaigns', 'conversations'],
  scale: 1,
  async run(run, size) {
    const { system, tenant } = run
    await using watcher = await openWatcher(system.world.adminUrl)
    const attack = await startNeighbour(run, size)
    const people = phones(200, 8_000_000)
    await system.importContacts(tenant, people, 'victims')
    const { id } = await run.startCampaign(sizes[size].recipients)
    const seen = await lookOn(run, watcher, people, attack())

    const { time, fact, passes, end } = judge(run)
    const idle = Object.entries(seen.attack).filter(([, { done, refused }]) => done + refused === 0)
    fact(
      'the neighbour does all that it can',
      idle.length ? `not: ${idle.map(([what]) => what).join(', ')}` : 'it does',
      'each thing',
      idle.length === 0,
    )
    time(
      "another tenant's STOP counts in its contact's row after its 200",
      seen.stopMs,
      'most',
      boundsOf(size).stopMs,
    )
    fact(
      "another tenant's STOPs that counted",
      `${seen.stopped} of ${seen.stops}`,
      'all',
      seen.stopped === seen.stops && seen.stops > 0,
    )
    time('CheckSendable of another tenant', seen.checkMs, 'p99', boundsOf(size).checkMs)
    time('intake of another tenant', seen.intakeMs, 'p99', boundsOf(size).intakeMs)
    fact(
      "another tenant's webhooks and checks that were refused",
      `${seen.refused.length} ${seen.refused[0] ?? ''}`,
      'none',
      seen.refused.length === 0,
    )
    await passes('the campaign of the other tenant completes', async () => {
      await system.untilCampaign(tenant, id, 'completed', 120_000) // as L1 says
    })
    await passes('the work of all is done in the end', () => system.settled(sizes[size].settleMs))
    await passes('the audit is clean (I1–I13, settled)', async () =>
      assertClean(await audit({ ...system.audited, settled: true })),
    )
    end()
  },
}

/** Gives a further tenant all that it needs; what is answered lets it loose, and resolves with what it did. */
async function startNeighbour(run: FaultRun, size: Size): Promise<() => Promise<NeighbourReport>> {
  const { system } = run
  const { ownNumbers, seconds, campaigns, csvFiles, csvRows } = sizes[size]
  const { accountId, appId, appSecret, connectionId }: Tenant = await system.addTenant()
  await system.importContacts({ accountId } as Tenant, phones(3, 9_900_000), 'few')
  const secret = randomBytes(16).toString('hex')
  const further = await system.clients.accounts.createApp(
    { name: 'Further', metaAppId: '99', secret, verifyToken: 'verify' },
    { accountId },
  )
  const apps = [
    { id: appId, secret: appSecret },
    { id: further.id, secret },
  ]
  const numbers = await seedNumbers(
    system.world,
    [{ accountId, appId, appSecret }],
    ownNumbers,
    50_000_000,
  )
  const { accounts, contacts, campaigns: sending, conversations } = system.ports
  const plan: NeighbourPlan = {
    seconds,
    gatewayPort: system.ports['webhook-gateway'].http,
    grpcPorts: {
      accounts: accounts.grpc,
      contacts: contacts.grpc,
      campaigns: sending.grpc,
      conversations: conversations.grpc,
    },
    accountId,
    connectionId,
    apps,
    phoneNumberIds: numbers.map(({ phoneNumberId }) => phoneNumberId),
    campaigns,
    csvFiles,
    csvRows,
  }
  const child = fork(new URL('../neighbour-process.ts', import.meta.url), { execArgv: [] })
  await once(child, 'message')
  return () => letLoose(run, child, plan)
}

async function letLoose(
  run: FaultRun,
  child: ChildProcess,
  plan: NeighbourPlan,
): Promise<NeighbourReport> {
  setPriority(child.pid!, 5) // it stands for other machines: it may fill these processes' queues, not take their CPU
  run.note('the neighbour begins')
  const ended = once(child, 'message')
  child.send(plan)
  try {
    const [report] = (await Promise.race([
      ended,
      once(child, 'exit').then(() => Promise.reject(new Error('The neighbour died'))),
    ])) as [NeighbourReport]
    for (const [what, { done, refused }] of Object.entries(report))
      run.note(`neighbour: ${what}: ${done} done, ${refused} refused`)
    return report
  } finally {
    child.kill()
  }
}

interface Seen {
  attack: NeighbourReport
  stopMs: number[]
  stops: number
  stopped: number
  checkMs: number[]
  intakeMs: number[]
  refused: string[]
}

const nothingSeen = (): Seen => ({
  attack: {},
  stopMs: [],
  stops: 0,
  stopped: 0,
  checkMs: [],
  intakeMs: [],
  refused: [],
})

/** Does as another tenant what must not suffer, until the neighbour is through, and measures it. */
async function lookOn(
  run: FaultRun,
  watcher: Watcher,
  people: readonly string[],
  attack: Promise<NeighbourReport>,
): Promise<Seen> {
  const seen = nothingSeen()
  const check = await checkOf(run)
  let over = false
  const stopping: Promise<void>[] = []
  const again = async (everyMs: number, work: (i: number) => Promise<void>) => {
    for (let i = 0; !over; i++) {
      await work(i).catch((error: Error) => seen.refused.push(error.message))
      await delay(everyMs)
    }
  }
  const saying = (i: number, text: string) =>
    timed(seen.intakeMs, () => say(run, people[i % people.length]!, text, i))
  await Promise.all([
    attack
      .then((report) => {
        seen.attack = report
      })
      .finally(() => {
        over = true
      }),
    again(100, (i) => saying(100 + (i % 100), 'Is it still there?')),
    again(100, () => timed(seen.checkMs, check)),
    again(500, async (i) => {
      if (i >= 100) return
      await saying(i, 'STOP')
      seen.stops++
      stopping.push(untilStopped(watcher, run.tenant, people[i]!, seen))
    }),
  ])
  await Promise.all(stopping)
  return seen
}

/** Asks whether a hundred of the people may be written to. */
async function checkOf({ system, tenant }: FaultRun): Promise<() => Promise<unknown>> {
  const service = system.clients.contacts
  const { contacts } = await service.listContacts({ tag: 'victims', limit: 200 }, tenant)
  const contactIds = contacts.slice(0, 100).map(({ id }) => id)
  return () => service.checkSendable({ contactIds, category: 'MARKETING' }, tenant)
}

async function timed(into: number[], work: () => Promise<unknown>): Promise<void> {
  const from = performance.now()
  await work()
  into.push(performance.now() - from)
}

let said = 0

/** Throws unless the webhook is answered 200. */
async function say(
  { system, tenant }: FaultRun,
  phone: string,
  text: string,
  i: number,
): Promise<void> {
  const from = phone.slice(1)
  const value = {
    messaging_product: 'whatsapp',
    metadata: { display_phone_number: '1', phone_number_id: tenant.phoneNumberId },
    contacts: [{ wa_id: from, profile: { name: 'Person' } }],
    messages: [
      {
        from,
        id: `wamid.victim.${i}.${++said}`,
        timestamp: String(Math.floor(Date.now() / 1000)),
        type: 'text',
        text: { body: text },
      },
    ],
  }
  const body = JSON.stringify({
    object: 'whatsapp_business_account',
    entry: [{ id: tenant.wabaId, changes: [{ field: 'messages', value }] }],
  })
  const status = await postWebhook(system.webhookUrl(tenant), tenant.appSecret, body)
  if (status !== 200) throw new Error(`A webhook was answered ${status}`)
}

/** From the 200 of a stop until the contact's row says so; a stop that never counts is missing among the stopped. */
async function untilStopped(
  watcher: Watcher,
  { accountId }: Tenant,
  phone: string,
  seen: Seen,
): Promise<void> {
  const from = performance.now()
  const row = 'select from contacts.contacts where account_id = $1 and phone = $2 and opted_out'
  const counted = until(
    async () => (await watcher.sql(row, [accountId, phone.slice(1)])).length > 0,
    60_000,
  )
  await counted.then(
    () => seen.stopped++,
    () => undefined,
  )
  seen.stopMs.push(performance.now() - from)
}
