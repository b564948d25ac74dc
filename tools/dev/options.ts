import { parseArgs } from 'node:util'

export interface Options {
  /** Stop after the main job. */
  once: boolean
  /** One JSON line at the end on stdout; everything else on stderr. */
  json: boolean
  /** How many contacts the demo imports and writes to. */
  contacts: number
  /** Throw the data of earlier starts away first. */
  fresh: boolean
  /** Run the main job. */
  demo: boolean
  /** One process a service instead of one for all. */
  processes: boolean
}

export const help = `npm start -- [options]

  --once         stop after the main job; exit code 0 only if the audit finds nothing
  --json         one JSON line at the end (and nothing else on stdout)
  --contacts N   how many contacts to import and write to (default 500)
  --fresh        throw away the data of earlier starts first
  --no-demo      start everything, run no job
  --processes    one process a service, instead of one for all services`

/** Reads the command line; throws naming what is wrong. */
export function readOptions(args: string[]): Options | 'help' {
  const flag = { type: 'boolean', default: false } as const
  const { values } = parseArgs({
    args,
    allowNegative: true,
    options: {
      once: flag,
      json: flag,
      contacts: { type: 'string', default: '500' },
      fresh: flag,
      demo: { type: 'boolean', default: true },
      processes: flag,
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return 'help'
  const contacts = Number(values.contacts)
  if (!Number.isInteger(contacts) || contacts < 1 || contacts > 1_000_000)
    throw new Error(`--contacts takes a whole number from 1 to 1000000, not "${values.contacts}"`)
  const { help: _, ...flags } = values
  return { ...flags, contacts }
}
