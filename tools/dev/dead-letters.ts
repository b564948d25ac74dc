import { parseArgs } from 'node:util'
import { type LaneName, lanes } from '@lockstep/contracts'
import { connect } from '@lockstep/rpc'
import { type DeadEntry, FeedDefinition } from '@lockstep/rpc/gen/feed'
import { type Ready, readReady } from './ready.ts'
import { createScreen } from './screen.ts'

const help = `npm run dead-letters -- [list | replay | dismiss] [--lane NAME] [--id N …] [--json]

  list     entries whose handler failed three times, with the reason (default)
  replay   opens them again: all of a lane, or those named by --id
  dismiss  gives those named by --lane and --id up for good: what they held has no effect`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    lane: { type: 'string' },
    id: { type: 'string', multiple: true, default: [] },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
const screen = createScreen(values.json)
const [order = 'list'] = positionals
const known = Object.keys(lanes) as LaneName[]
const wanted = values.lane ? known.filter((lane) => lane === values.lane) : known

/** The feed of the service that produces a lane. */
function feedOf(ready: Ready, lane: LaneName) {
  return connect(FeedDefinition, ready.grpc[lanes[lane].producer]!)
}

async function list(ready: Ready): Promise<void> {
  const dead: DeadEntry[] = []
  for (const lane of wanted) {
    using feed = feedOf(ready, lane)
    dead.push(...(await feed.listDead({ lane, limit: 100 }, {})).entries)
  }
  if (values.json)
    return console.log(
      JSON.stringify(
        dead.map(({ entry, ...rest }) => ({ id: entry!.id, kind: entry!.kind, ...rest })),
      ),
    )
  if (dead.length === 0) return screen.line(screen.good('No entry is dead.'))
  screen.table(
    ['lane', 'key', 'id', 'since', 'reason'],
    dead.map((d) => [
      d.lane,
      d.entry!.key,
      d.entry!.id,
      new Date(d.entry!.asOfMs).toISOString(),
      d.reason.slice(0, 100),
    ]),
  )
  screen.line(
    '  Open them again with: npm run dead-letters -- replay --lane NAME [--id N], or give them up: dismiss --lane NAME --id N',
  )
}

async function replay(ready: Ready): Promise<void> {
  let replayed = 0
  for (const lane of wanted) {
    using feed = feedOf(ready, lane)
    replayed += (await feed.replay({ lane, ids: values.id }, {})).replayed
  }
  if (values.json) console.log(JSON.stringify({ replayed }))
  else screen.line(`${replayed} entries are open again.`)
}

async function dismiss(ready: Ready, lane: LaneName): Promise<void> {
  using feed = feedOf(ready, lane)
  const { dismissed } = await feed.dismiss({ lane, ids: values.id }, {})
  if (values.json) console.log(JSON.stringify({ dismissed }))
  else screen.line(`${dismissed} entries are given up.`)
}

function main(): Promise<void> | void {
  if (values.help) return console.log(help)
  const refuse = (reason: string) => {
    throw new Error(`${reason}\n\n${help}`)
  }
  if (wanted.length === 0)
    refuse(`There is no lane "${values.lane}"; there are: ${known.join(', ')}`)
  if (!['list', 'replay', 'dismiss'].includes(order)) refuse(`Unknown order "${order}"`)
  if (order === 'replay' && values.id.length > 0 && !values.lane)
    refuse('Ids are numbered by service: name the lane, too')
  if (order === 'dismiss' && !(values.lane && values.id.length > 0))
    refuse('Name what is given up: --lane and --id')
  const ready = readReady()
  if (order === 'list') return list(ready)
  return order === 'replay' ? replay(ready) : dismiss(ready, wanted[0]!)
}

try {
  await main()
} catch (error) {
  screen.line((error as Error).message)
  process.exitCode = 2
}
