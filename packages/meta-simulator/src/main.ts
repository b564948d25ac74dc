import { parseArgs } from 'node:util'
import { startSimulator } from './simulator.ts'

const help = `A simulator of Meta's WhatsApp Cloud API.

  node src/main.ts [--port 4010] [--host 127.0.0.1] [--log meta-simulator.ndjson] [--seed N] [--fsync] [--json]
`

/** Reads the command line; throws with the words of `parseArgs` when it is wrong. */
function readOptions(args: string[]) {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean', default: false } as const
  const options = {
    port: text,
    host: text,
    log: text,
    seed: text,
    fsync: flag,
    json: flag,
    help: flag,
  }
  const { values } = parseArgs({ args, options })
  const whole = (name: 'port' | 'seed') => {
    if (values[name] === undefined) return undefined
    const value = Number(values[name])
    if (!Number.isInteger(value))
      throw new Error(`--${name} wants a whole number, not ${values[name]}`)
    return value
  }
  return {
    ...values,
    port: whole('port') ?? 4010,
    seed: whole('seed'),
    logFile: values.log ?? 'meta-simulator.ndjson',
  }
}

async function main(): Promise<void> {
  const { help: wantsHelp, json, ...config } = readOptions(process.argv.slice(2))
  if (wantsHelp) return void process.stdout.write(help)
  const stop = Promise.withResolvers<void>()
  // More than one may come, from a person and from the kernel when the process that started this one is gone.
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.resolve())
  await using simulator = await startSimulator(config)
  const { url, port, logFile } = simulator
  const ready = json
    ? JSON.stringify({ url, port, logFile, pid: process.pid })
    : `Meta simulator on ${url}, writing ${logFile}`
  process.stdout.write(`${ready}\n`)
  await stop.promise
}

main().catch((error: Error) => {
  process.stderr.write(`Meta simulator: ${error.message}\n`)
  process.exitCode = 1
})
