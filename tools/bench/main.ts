import { readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { parseArgs } from 'node:util'
import type { BenchContext, Sizes } from './src/bench.ts'
import { benches, pick } from './src/benches.ts'
import { calmLoad, load, memoryOf, untilCalm } from './src/machine.ts'
import { missed, printResult, type Result, replaceSection, toMarkdown } from './src/print.ts'
import { makeRunFolder } from './src/servers.ts'

const help = `npm run bench -- [NAME …] [options]

  Measures what the system does against the least that any program would have to do (the floor), on servers it starts itself.

${Object.entries(benches)
  .map(([name, { about }]) => `  ${name.padEnd(9)} ${about}`)
  .join('\n')}

  --operations N    operations of one contender in one round, where a bench has a fixed number of them
  --numbers N,N,…   the numbers over which webhooks come in turn (pipeline, intake)
  --share S         the share of the rows that growth seeds, such as 0.1
  --quick   small sizes and short rounds: to see that it works
  --calm    waits up to 5 minutes until nobody else uses the machine
  --write   puts the results into docs/benchmarks.md
  --json    one JSON line a bench on stdout

  Exit code: 0 all that is to be reached was, 1 something was not, 2 it could not be measured.`

const document = path.resolve(import.meta.dirname, '../../docs/benchmarks.md')

function readOptions(args: string[]) {
  const flag = { type: 'boolean', default: false } as const
  return parseArgs({
    args,
    allowPositionals: true,
    options: {
      quick: flag,
      calm: flag,
      write: flag,
      json: flag,
      operations: { type: 'string' },
      numbers: { type: 'string' },
      share: { type: 'string' },
      help: { ...flag, short: 'h' },
    },
  })
}

/** Throws naming what is no number above 0. */
function readSizes(values: ReturnType<typeof readOptions>['values']): Sizes {
  const number = (option: 'operations' | 'numbers' | 'share', text: string): number => {
    const value = Number(text)
    if (!(value > 0)) throw new Error(`--${option} takes a number above 0, not "${text}"`)
    return value
  }
  return {
    ...(values.operations && { operations: number('operations', values.operations) }),
    ...(values.numbers && {
      numbers: values.numbers.split(',').map((each) => number('numbers', each)),
    }),
    ...(values.share && { share: number('share', values.share) }),
  }
}

async function main(args: string[]): Promise<number> {
  const { values, positionals } = readOptions(args)
  if (values.help) {
    console.log(help)
    return 0
  }
  const sizes = readSizes(values)
  let allReached = true
  for (const [name, row] of pick(positionals)) {
    const say = (what: string) => void process.stderr.write(`${name}: ${what}\n`)
    if (values.calm) await untilCalm(300_000, say)
    const result = await measure(name, await row.load(), { quick: values.quick, sizes, say })
    const isTerminal = process.stdout.isTTY && !process.env.NO_COLOR
    process.stdout.write(
      values.json ? `${JSON.stringify(result)}\n` : `${printResult(result, isTerminal)}\n`,
    )
    if (values.write)
      await writeFile(
        document,
        replaceSection(await readFile(document, 'utf8'), toMarkdown(result)),
      )
    if (missed(result)) allReached = false
  }
  return allReached ? 0 : 1
}

async function measure(
  bench: string,
  run: Awaited<ReturnType<(typeof benches)[string]['load']>>,
  { quick, sizes, say }: Pick<BenchContext, 'quick' | 'sizes' | 'say'>,
) {
  const at = new Date().toISOString()
  const from = performance.now()
  const loadBefore = load()
  const peakMemory: Record<string, number> = {}
  const watch: BenchContext['watch'] = (server, pid) => {
    peakMemory[server] = Math.max(peakMemory[server] ?? 0, memoryOf(pid, 'peak') ?? 0)
  }
  const dir = await makeRunFolder()
  try {
    const measured = await run({
      dir,
      quick,
      sizes,
      say,
      watch,
      rounds: quick ? 2 : 9,
      roundMs: quick ? 50 : 250,
    })
    watch('bench', process.pid)
    const seconds = (performance.now() - from) / 1000
    const result: Result = {
      bench,
      at,
      seconds,
      quick,
      load: loadBefore,
      noisy: loadBefore > calmLoad,
      peakMemory,
      ...measured,
    }
    return result
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

process.exitCode = await main(process.argv.slice(2)).catch((error) => {
  process.stderr.write(`${error.message}\n`)
  return 2
})
