import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { connect as connectRpc } from '@lockstep/rpc'
import { AccountsDefinition } from '@lockstep/rpc/gen/accounts'
import { CampaignsDefinition } from '@lockstep/rpc/gen/campaigns'
import { ContactsDefinition } from '@lockstep/rpc/gen/contacts'
import { ConversationsDefinition } from '@lockstep/rpc/gen/conversations'
import { signBody } from '@lockstep/whatsapp'

/** What a hostile tenant has, and how much of each thing it does. */
export interface NeighbourPlan {
  seconds: number
  gatewayPort: number
  grpcPorts: { accounts: number; contacts: number; campaigns: number; conversations: number }
  accountId: string
  connectionId: string
  apps: { id: string; secret: string }[]
  /** Numbers of its own that it has connected. */
  phoneNumberIds: string[]
  campaigns: number
  csvFiles: number
  csvRows: number
}

/** How often it did each thing, and how often it was refused. */
export type NeighbourReport = Record<string, { done: number; refused: number }>

/** Its own address: what is counted by address must not count against others. */
const localAddress = '127.0.0.2'
const agent = new Agent({ keepAlive: true, maxSockets: 64 })
const report: NeighbourReport = {}
let until = 0

/** Does something again and again, so many at once, until time is up. */
async function flood(
  name: string,
  atOnce: number,
  work: (i: number) => Promise<unknown>,
  most = Number.POSITIVE_INFINITY,
): Promise<void> {
  const counts = { done: 0, refused: 0 }
  report[name] = counts
  let next = 0
  const one = async () => {
    while (Date.now() < until && next < most) {
      const accepted = await work(next++).then(
        (answer) => answer !== false,
        () => false,
      )
      counts[accepted ? 'done' : 'refused']++
      if (!accepted) await delay(5)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, one))
}

function messageTo(phoneNumberId: string, wamid: string) {
  const from = '4915900000001'
  const value = {
    messaging_product: 'whatsapp',
    metadata: { display_phone_number: '1', phone_number_id: phoneNumberId },
    contacts: [{ wa_id: from, profile: { name: 'Neighbour' } }],
    messages: [
      {
        from,
        id: wamid,
        timestamp: String(Math.floor(Date.now() / 1000)),
        type: 'text',
        text: { body: 'Hello' },
      },
    ],
  }
  return { id: '1', changes: [{ field: 'messages', value }] }
}

const bodyOf = (entry: object[]) =>
  Buffer.from(JSON.stringify({ object: 'whatsapp_business_account', entry }))

/** A signed POST to the gateway; whether it was answered 200. */
async function post(
  port: number,
  app: { id: string; secret: string },
  raw: Buffer,
): Promise<boolean> {
  const asked = request({
    agent,
    localAddress,
    host: '127.0.0.1',
    port,
    path: `/webhooks/${app.id}`,
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'content-length': raw.length,
      'x-hub-signature-256': signBody(app.secret, raw),
    },
  })
  asked.end(raw)
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  answer.resume()
  await once(answer, 'end')
  return answer.statusCode === 200
}

const madeUpNumbers = (i: number) =>
  bodyOf(
    Array.from({ length: 3_000 }, (_, n) => messageTo(`${i}${n}9${i % 7}`, `wamid.made.${i}.${n}`)),
  )

async function attackGateway({ gatewayPort, apps, phoneNumberIds }: NeighbourPlan): Promise<void> {
  const app = (i: number) => apps[i % apps.length]!
  const number = (i: number) => phoneNumberIds[i % phoneNumberIds.length]!
  const noise = Buffer.alloc(1_000_000, 'x')
  await Promise.all([
    flood('bodies of 3,000 made-up numbers', 4, (i) => post(gatewayPort, app(i), madeUpNumbers(i))),
    flood('wake-ups of many keys', 16, (i) =>
      post(gatewayPort, app(i), bodyOf([messageTo(number(i), `wamid.own.${i}`)])),
    ),
    flood('wrong secrets', 4, (i) =>
      post(gatewayPort, { ...app(i), secret: 'wrong' }, noise).then(() => false),
    ),
    flood('uploads that never end', 200, (i) => endlessUpload(gatewayPort, app(i).id)),
  ])
}

const draft = (i: number, connectionId: string) => ({
  name: `Neighbour ${i}`,
  connectionId,
  templateName: 'spring_offer',
  templateLanguage: 'en_US',
  filter: { tags: [i % 10 === 0 ? 'few' : 'nobody'] },
  values: { 'header.1': '{{name}}', 'body.1': '20 %', 'body.2': 'Sunday' },
})

async function attackServices(plan: NeighbourPlan): Promise<void> {
  const { accountId, connectionId, grpcPorts, csvRows, csvFiles } = plan
  const at = (service: keyof typeof grpcPorts) => `127.0.0.1:${grpcPorts[service]}`
  const call = { accountId }
  using contacts = connectRpc(ContactsDefinition, at('contacts'))
  using campaigns = connectRpc(CampaignsDefinition, at('campaigns'))
  using conversations = connectRpc(ConversationsDefinition, at('conversations'))
  using accounts = connectRpc(AccountsDefinition, at('accounts'))
  const lists = [
    () => contacts.listContacts({ tag: 'nobody', limit: 200 }, call),
    () => campaigns.listCampaigns({}, call),
    () => conversations.listConversations({ limit: 100 }, call),
    () => accounts.listConnections({ limit: 200 }, call),
  ]
  const importCsv = (i: number) => contacts.createImport(csv(i, csvRows), call)
  const startCampaign = async (i: number) => {
    const { id } = await campaigns.createCampaign(draft(i, connectionId), call)
    await campaigns.startCampaign({ id }, call)
  }
  await Promise.all([
    flood('CSV files of many tags', 2, importCsv, csvFiles),
    flood('campaigns', 8, startCampaign, plan.campaigns),
    flood('slow lists', 16, (i) => lists[i % lists.length]!()),
  ])
}

/** Says that 3 MB come, and sends a byte now and then until it is cut off. */
async function endlessUpload(port: number, appId: string): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1', localAddress })
  socket.on('error', () => undefined)
  const closed = once(socket, 'close').catch(() => undefined)
  const head = `POST /webhooks/${appId} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 3000000\r\nx-hub-signature-256: sha256=${'0'.repeat(64)}\r\n\r\n`
  socket.write(head)
  socket.write(Buffer.alloc(60_000, 'x'))
  while (Date.now() < until && !socket.destroyed) {
    socket.write('x')
    await Promise.race([closed, delay(200)])
  }
  const wasCutOff = socket.destroyed
  socket.destroy()
  return !wasCutOff
}

async function* csv(i: number, rows: number) {
  yield { fileName: `neighbour-${i}.csv` }
  yield { chunk: Buffer.from('name,phone,tags\n') }
  const tags = (row: number) =>
    Array.from({ length: 20 }, (_, n) => `tag-${(row * 31 + n) % 5_000}`).join(';')
  for (let row = 0; row < rows; row += 1_000) {
    const lines = Array.from({ length: 1_000 }, (_, n) => {
      return `Neighbour,+491517${String((i * rows + row + n) % 10_000_000).padStart(7, '0')},"${tags(row + n)}"`
    })
    yield { chunk: Buffer.from(`${lines.join('\n')}\n`) }
  }
}

process.once('message', async (plan: NeighbourPlan) => {
  until = Date.now() + plan.seconds * 1000
  await Promise.all([attackGateway(plan), attackServices(plan)])
  process.send?.(report)
})
process.once('disconnect', () => process.exit())
process.send?.('ready')
