import { parseArgs } from 'node:util'
import { readyFile as defaultFile, type Ready, readReady } from '../dev/ready.ts'
import { type AuditOptions, audit, isViolated } from './src/index.ts'
import { printReport } from './src/print.ts'

const help = `npm run audit -- [options]

  Checks the promises of the running system on its rows, on the simulator's log, and on what Redis and NATS hold; changes nothing.

  --settled         also checks that no work is left: for a system that has nothing to do. What is left then is looked at
                    again for up to half a minute before it counts
  --only I1,I7      checks these only
  --redis-flushed   Redis lost its data meanwhile: allows twice the rate limits
  --ready FILE      the system that this file names (default .lockstep/ready.json, which npm start writes) by "postgres",
                    "redis", "nats" and "simulator_log"; what needs one that it doesn't name is not checked
  --json            one JSON line on stdout

  Exit code: 0 all is well, 1 something is violated, 2 it could not be checked.`

function readOptions(args: string[]) {
  const flag = { type: 'boolean', default: false } as const
  const options = {
    settled: flag,
    'redis-flushed': flag,
    json: flag,
    help: { ...flag, short: 'h' },
    only: { type: 'string' },
    ready: { type: 'string' },
  } as const
  return parseArgs({ args, options }).values
}

/** Where the running system keeps its rows, locks, lanes and its log; throws when nothing runs. */
function optionsOf(readyFile: string): AuditOptions {
  const { postgres, redis, nats, simulator_log } = readReady<Named>(readyFile)
  return { adminUrl: postgres, redisUrl: redis, natsUrl: nats, simulatorLog: simulator_log }
}
type Named = Pick<Ready, 'postgres'> & Partial<Pick<Ready, 'redis' | 'nats' | 'simulator_log'>>

async function main(args: string[]): Promise<number> {
  const {
    ready = defaultFile,
    settled,
    json,
    only,
    help: asked,
    'redis-flushed': redisWasFlushed,
  } = readOptions(args)
  if (asked) {
    console.log(help)
    return 0
  }
  const report = await audit({
    ...optionsOf(ready),
    settled,
    redisWasFlushed,
    ...(only && { only: only.split(',') }),
  })
  const isTerminal = process.stdout.isTTY && !process.env.NO_COLOR
  process.stdout.write(json ? `${JSON.stringify(report)}\n` : printReport(report, isTerminal))
  return isViolated(report) ? 1 : 0
}

process.exitCode = await main(process.argv.slice(2)).catch((error) => {
  const gone =
    error.code === 'ECONNREFUSED'
      ? `PostgreSQL does not answer there. Start the system again with \`npm start\`.`
      : error.message
  process.stderr.write(`${gone}\n`)
  return 2
})
