import { limitOption } from '../options.ts'
import { atMost, type OpenSession, type Program } from '../session.ts'

export function addWebhookEndpoints(program: Program, open: OpenSession): void {
  const endpoints = program
    .command('webhook-endpoints')
    .description('Addresses to which events are posted')
  endpoints
    .command('list')
    .description('Lists them, with why one is disabled')
    .action(async () => {
      const { api, out } = open()
      const { endpoints: all } = await api.listWebhookEndpoints()
      await out.many(rowsOf(all), [
        ['id', (row) => row.id],
        ['url', (row) => row.url],
        ['topics', (row) => row.topics.join(',')],
        ['enabled', (row) => (row.enabled ? 'yes' : row.disabled_reason || 'no')],
        ['failing since', (row) => row.failing_since],
      ])
    })
  endpoints
    .command('create')
    .description('Has events posted to a URL; its secret is shown this once')
    .argument('<url>')
    .requiredOption('--topic <topic...>', 'what is posted, such as campaigns')
    .option('--description <text>')
    .action(async (url, { topic, description }) => {
      const { api, out } = open()
      const body = { url, topics: topic as never[], ...(description && { description }) }
      out.one(flat(await api.createWebhookEndpoint({ body })))
    })
  endpoints
    .command('rotate')
    .description('Makes a new secret, shown this once; the one before signs beside it for a time')
    .argument('<id>')
    .option('--overlap-hours <hours>', 'how long both sign', Number, 24)
    .action(async (id, { overlapHours }) => {
      const { api, out } = open()
      const body = { overlap_hours: overlapHours }
      out.one(flat(await api.rotateWebhookSecret({ id, body })))
    })
  addOrders(endpoints as never, open)
  addDeliveries(endpoints as never, open)
}

/** What is done to one endpoint. */
function addOrders(endpoints: Program, open: OpenSession): void {
  endpoints
    .command('test')
    .description('Posts a test, and says what the endpoint answered')
    .argument('<id>')
    .action(async (id) => {
      const { api, out } = open()
      out.one(await api.testWebhookEndpoint({ id }))
    })
  endpoints
    .command('enable')
    .description('Posts to it again, what waits at once')
    .argument('<id>')
    .action(async (id) => {
      const { api, out } = open()
      out.one(await api.enableWebhookEndpoint({ id }))
    })
  endpoints
    .command('replay')
    .description('Posts events again: the deliveries that are named, or all since a time')
    .argument('<id>')
    .option('--delivery <delivery...>')
    .option('--since <time>', 'such as 2027-12-24T18:00:00Z')
    .action(async (id, { delivery, since }) => {
      const { api, out } = open()
      const body = { ...(delivery && { delivery_ids: delivery }), ...(since && { from: since }) }
      out.one(await api.replayWebhooks({ id, body }))
    })
}

function addDeliveries(endpoints: Program, open: OpenSession): void {
  endpoints
    .command('deliveries')
    .description('Lists what became of posts, newest first')
    .argument('<id>')
    .option('--state <state>', 'pending, delivered or failed')
    .addOption(limitOption())
    .action(async (id, { state, limit }) => {
      const { api, out } = open()
      const asked = { endpoint_id: id, ...(state && { state: state as never }) }
      await out.many(atMost(api.each.listWebhookDeliveries(asked), limit), [
        ['id', (row) => row.id],
        ['event', (row) => row.kind],
        ['about', (row) => row.subject_id],
        ['state', (row) => row.state],
        ['attempts', (row) => row.attempts],
        ['answer', (row) => row.error || row.status],
        ['next', (row) => row.next_attempt_at],
      ])
    })
}

async function* rowsOf<Row>(rows: readonly Row[]) {
  yield* rows
}

/** The secret beside the fields of its endpoint. */
const flat = ({ endpoint, secret }: { endpoint: object; secret: string | null }) => ({
  ...endpoint,
  secret,
})
