import { audit } from '@lockstep/audit'
import { postWebhook } from '@lockstep/testing'
import { repeat } from '../../../tools/bench/src/measure.ts'
import { type SeededNumber, seedNumbers, seedTenants } from '../../../tools/bench/src/seed.ts'
import { judge } from '../requirements.ts'
import { assertClean, type FaultRun } from '../run.ts'
import { type FaultScenario, untilAtLeast } from '../scenario.ts'

const handledWithinMs = 30_000
const tenants = 10
const connections = 32

export const wide: FaultScenario = {
  name: 'wide',
  guarantee:
    "10,000 numbers active at once, NATS' store deleted in the middle: all is handled within 30 s, nothing lost nor twice",
  processes: ['webhook-gateway', 'conversations', 'contacts', 'accounts'],
  scale: 1,
  async run(run, size) {
    const { system } = run
    const count = size === 'full' ? 10_000 : 500
    const numbers = await seedNumbers(
      system.world,
      await seedTenants(system.world, tenants),
      count,
      60_000_000,
    )
    run.note(`${count} numbers of ${tenants} tenants`)
    await postEach(run, numbers.slice(0, count / 2))
    const [backAtMs] = await Promise.all([natsIsBack(run), postEach(run, numbers.slice(count / 2))])
    const fromMs = Math.max(backAtMs, performance.now())
    run.note('NATS is back, and every number has been written to')

    const handled = () => rows(run, 'count(*)')
    await untilAtLeast(handled, count, 4 * handledWithinMs).catch((error) =>
      run.note((error as Error).message),
    )
    const { time, fact, passes, end } = judge(run)
    time(
      `the last of ${count} messages is handled after NATS is back`,
      [performance.now() - fromMs],
      'most',
      handledWithinMs,
    )
    const [all, distinct] = [
      await handled(),
      await rows(run, 'count(distinct (connection_id, wamid))'),
    ]
    fact(
      'no message is lost or there twice',
      `${all} rows of ${distinct} messages`,
      `${count} of ${count}`,
      all === count && distinct === count,
    )
    await passes('all webhooks have had their effect, and the audit is clean', async () => {
      await system.settled(60_000)
      assertClean(await audit({ ...system.audited, settled: true }))
    })
    end()
  },
}

async function natsIsBack(run: FaultRun): Promise<number> {
  await run.deleteNatsStore()
  return performance.now()
}

/** One message to each number; each must be answered 200, whatever NATS does. */
async function postEach(run: FaultRun, numbers: readonly SeededNumber[]): Promise<void> {
  const port = run.system.ports['webhook-gateway'].http
  const timestamp = String(Math.floor(Date.now() / 1000))
  await repeat(numbers.length, connections, async (i) => {
    const { phoneNumberId, wabaId, tenant } = numbers[i]!
    const from = `4915${phoneNumberId}`
    const value = {
      messaging_product: 'whatsapp',
      metadata: { display_phone_number: '1', phone_number_id: phoneNumberId },
      contacts: [{ wa_id: from, profile: { name: 'Person' } }],
      messages: [
        {
          from,
          id: `wamid.wide.${phoneNumberId}`,
          timestamp,
          type: 'text',
          text: { body: 'Is it still there?' },
        },
      ],
    }
    const body = JSON.stringify({
      object: 'whatsapp_business_account',
      entry: [{ id: wabaId, changes: [{ field: 'messages', value }] }],
    })
    const status = await postWebhook(
      `http://127.0.0.1:${port}/webhooks/${tenant.appId}`,
      tenant.appSecret,
      body,
    )
    if (status !== 200)
      throw new Error(`A webhook of number ${phoneNumberId} was answered ${status}`)
    run.tally.webhooks++
  })
}

async function rows({ system: { world } }: FaultRun, what: string): Promise<number> {
  const [row] = await world.sql<{ n: number }>(
    `select ${what}::integer as n from conversations.messages where wamid like 'wamid.wide.%'`,
  )
  return row!.n
}
