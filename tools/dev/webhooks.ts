import { parseArgs } from 'node:util'
import { partOutcomes } from '@lockstep/contracts'
import { connect, type RpcClient } from '@lockstep/rpc'
import { WebhookGatewayDefinition } from '@lockstep/rpc/gen/webhook_gateway'
import { type Ready, readReady } from './ready.ts'
import { createScreen } from './screen.ts'

const help = `npm run webhooks -- [count | list | replay | adopt] [options]

  count    what became of webhook parts, by outcome and field (default)
  list     parts with an outcome, newest first: all that had no effect, or those of --outcome
  replay   splits stored webhooks anew and opens their parts again: of --body, --part, --since, --until, --key, --outcome
  adopt    opens what came for a connection's number before it was connected: --connection

  --outcome NAME     open, ${Object.keys(partOutcomes).join(', ')}
  --key ID           a phone number id, WABA id or campaign id
  --body ID … --part ID …
  --since TIME --until TIME   when they were received, e.g. 2026-11-24T10:00Z
  --connection ID    a connection of the development account; its own by default
  --limit N          how many to list (default 50)
  --json`

const text = { type: 'string' } as const
const texts = { type: 'string', multiple: true, default: [] as string[] } as const

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    outcome: text,
    key: text,
    body: texts,
    part: texts,
    since: text,
    until: text,
    connection: text,
    limit: { ...text, default: '50' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
const screen = createScreen(values.json)
const [order = 'count'] = positionals

type Gateway = RpcClient<typeof WebhookGatewayDefinition>

function say(found: object, lines: () => void): void {
  if (values.json) console.log(JSON.stringify(found))
  else lines()
}

async function count(gateway: Gateway): Promise<void> {
  const { counts } = await gateway.countParts({}, {})
  say(counts, () =>
    screen.table(
      ['outcome', 'field', 'parts', 'elements'],
      counts.map((c) => [c.outcome, c.field, String(c.parts), String(c.elements)]),
    ),
  )
}

async function list(gateway: Gateway): Promise<void> {
  const { parts } = await gateway.listParts(
    { outcome: values.outcome ?? '', limit: Number(values.limit) },
    {},
  )
  const shown = parts.map(({ content, ...part }) => ({
    ...part,
    content: Buffer.from(content).toString(),
  }))
  say(shown, () => {
    if (shown.length === 0) return screen.line('There is no such part.')
    screen.table(
      ['part', 'body', 'received', 'outcome', 'field', 'key', 'reason or content'],
      shown.map((p) => [
        p.id,
        p.bodyId,
        new Date(p.receivedAtMs).toISOString(),
        p.outcome,
        p.field,
        p.key,
        (p.reason || p.content).slice(0, 60),
      ]),
    )
  })
}

/** Batch after batch, until nothing is left; one that is broken off is gone on with by the same order. */
async function replay(gateway: Gateway): Promise<void> {
  const wanted = {
    bodyIds: values.body,
    partIds: values.part,
    sinceMs: timeOf(values.since),
    untilMs: timeOf(values.until),
    key: values.key ?? '',
    outcome: values.outcome ?? '',
  }
  const replayed = { bodies: 0, parts: 0 }
  for (let beforePartId = ''; ; ) {
    const batch = await gateway.replayWebhooks({ ...wanted, beforePartId }, { timeoutMs: 60_000 })
    replayed.bodies += batch.bodies
    replayed.parts += batch.parts
    beforePartId = batch.beforePartId
    if (!beforePartId) break
  }
  say(replayed, () =>
    screen.line(
      `${replayed.bodies} webhooks are replayed, ${replayed.parts} parts are open again.`,
    ),
  )
}

async function adopt(gateway: Gateway, ready: Ready): Promise<void> {
  const connectionId = values.connection ?? ready.connection_id
  const answer = await gateway.adoptParts(
    { connectionId },
    { accountId: ready.account_id, timeoutMs: 60_000 },
  )
  say(answer, () => screen.line(`${answer.adopted} parts are adopted and open.`))
}

function timeOf(text: string | undefined): number {
  const ms = text === undefined ? 0 : Date.parse(text)
  if (Number.isNaN(ms)) throw new Error(`"${text}" is no time; write it as 2026-11-24T10:00Z`)
  return ms
}

const orders: Record<string, (gateway: Gateway, ready: Ready) => Promise<void>> = {
  count,
  list,
  replay,
  adopt,
}

async function main(): Promise<void> {
  const run = orders[order]
  if (values.help) return console.log(help)
  if (!run) throw new Error(`Unknown order "${order}"\n\n${help}`)
  const ready = readReady()
  using gateway = connect(WebhookGatewayDefinition, ready.grpc['webhook-gateway']!)
  await run(gateway, ready)
}

await main().catch((error: Error) => {
  screen.line(error.message)
  process.exitCode = 2
})
