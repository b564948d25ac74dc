import type { Campaign } from '@lockstep/client'
import { CliError } from '../errors.ts'
import { limitOption, pairs, several } from '../options.ts'
import type { Column } from '../output.ts'
import { atMost, type OpenSession, type Program, type Session, watch } from '../session.ts'

const columns: readonly Column<Campaign>[] = [
  ['id', (row) => row.id],
  ['name', (row) => row.name],
  ['state', (row) => row.state],
  ['recipients', (row) => row.statistics.recipients],
  ['read', (row) => row.statistics.read],
  ['reason', (row) => row.reason],
]

type Campaigns = ReturnType<typeof createGroup>

const createGroup = (program: Program) =>
  program.command('campaigns').alias('campaign').description('Drafts, sends and watches campaigns')

export function addCampaigns(program: Program, open: OpenSession): void {
  const campaigns = createGroup(program)
  addReading(campaigns, open)
  addCreate(campaigns, open)
  addChange(campaigns, open)
  addOrders(campaigns, open)
  campaigns
    .command('watch')
    .description('Shows how far a campaign is until it ends; 1 when it does not complete')
    .argument('<id>')
    .action(async (id) => watchCampaign(open(), id))
}

function addReading(campaigns: Campaigns, open: OpenSession): void {
  campaigns
    .command('list')
    .description('Lists the campaigns, newest first')
    .action(async () => {
      const { api, out } = open()
      const { campaigns: listed } = await api.listCampaigns()
      await out.many(ReadableStream.from(listed), columns)
    })
  campaigns
    .command('get')
    .argument('<id>')
    .action(async (id) => {
      const { api, out } = open()
      out.one(await api.getCampaign({ id }))
    })
  campaigns
    .command('recipients')
    .description('Lists the recipients of a campaign')
    .argument('<id>')
    .option('--state <state>', 'only those in this state, such as failed')
    .addOption(limitOption())
    .action(async (id, { state, limit }) => {
      const { api, out } = open()
      const listed = api.each.listRecipients({ id, state: state as 'failed' })
      await out.many(atMost(listed, limit), [
        ['id', (row) => row.id],
        ['contact', (row) => row.contact_id],
        ['state', (row) => row.state],
        ['reason', (row) => row.reason],
      ])
    })
}

function addCreate(campaigns: Campaigns, open: OpenSession): void {
  campaigns
    .command('create')
    .description('Drafts a campaign to all contacts with one of the tags')
    .requiredOption('--name <name>')
    .requiredOption('--connection <id>', 'the number that sends')
    .requiredOption('--template <name>')
    .option('--language <code>', 'of the template', 'en_US')
    .requiredOption('--tag <tag>', 'who gets it; may be given again', several)
    .option(
      '--value <name=value>',
      'of a variable, such as body.1={{name}}; may be given again',
      pairs,
    )
    .option('--idempotency-key <key>', 'the same key makes the same campaign once')
    .option('--start', 'starts it at once')
    .action(async (options) => {
      const { api, out } = open()
      const { idempotencyKey } = options
      const body = {
        name: options.name,
        connection_id: options.connection,
        template_name: options.template,
        template_language: options.language,
        filter: { tags: options.tag },
        values: options.value ?? {},
      }
      const draft = await api.createCampaign({ body }, idempotencyKey ? { idempotencyKey } : {})
      out.one(options.start ? await api.startCampaign({ id: draft.id }) : draft)
    })
}

function addChange(campaigns: Campaigns, open: OpenSession): void {
  campaigns
    .command('change')
    .description('Changes what is named of a draft; values are replaced as a whole')
    .argument('<id>')
    .option('--name <name>')
    .option('--connection <id>', 'the number that sends')
    .option('--template <name>')
    .option('--language <code>', 'of the template')
    .option('--tag <tag>', 'who gets it; may be given again', several)
    .option('--value <name=value>', 'of a variable; may be given again', pairs)
    .action(async (id, options) => {
      const { api, out } = open()
      const body = {
        name: options.name,
        connection_id: options.connection,
        template_name: options.template,
        template_language: options.language,
        filter: options.tag && { tags: options.tag },
        values: options.value,
      }
      out.one(await api.updateDraft({ id, body }))
    })
}

const orders = {
  start: ['startCampaign', 'Prepares the list of recipients, and sends'],
  pause: ['pauseCampaign', 'Sends nothing more for now'],
  resume: ['resumeCampaign', 'Goes on where it was paused'],
  cancel: ['cancelCampaign', 'Ends it for good'],
} as const

function addOrders(campaigns: Campaigns, open: OpenSession): void {
  for (const [name, [order, description]] of Object.entries(orders))
    campaigns
      .command(name)
      .description(description)
      .argument('<id>')
      .action(async (id) => {
        const { api, out } = open()
        out.one(await api[order]({ id }))
      })
}

const final = ['completed', 'paused', 'failed', 'cancelled', 'draft']

async function watchCampaign({ api, out }: Session, id: string): Promise<void> {
  const bar = out.bar('Campaign')
  let shown = ''
  const done = await watch(
    () => api.getCampaign({ id }),
    ({ state }) => final.includes(state),
    (campaign) => {
      const { recipients, queued, sending, accepted, delivered, read } = campaign.statistics
      const note = `${campaign.state}, ${accepted} accepted, ${delivered} delivered, ${read} read`
      bar.update(recipients - queued - sending, recipients, note)
      const now = JSON.stringify([campaign.state, campaign.statistics])
      if (out.json && now !== shown) out.line(campaign, '')
      shown = now
    },
  )
  bar.end()
  if (!out.json) out.one({ ...done, ...done.statistics, statistics: undefined, values: undefined })
  if (done.state !== 'completed')
    throw new CliError(`The campaign is ${done.state}${done.reason ? `: ${done.reason}` : ''}`)
}
