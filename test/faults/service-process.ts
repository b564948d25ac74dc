import path from 'node:path'
import { run, type Started } from '@lockstep/service'

/** One service in a process of its own, as its main.ts runs it, with all its times multiplied by a scale: `<service> <scale>`. */
const [service, scale] = process.argv.slice(2) as [string, string]
const source = (file: string) => path.resolve(import.meta.dirname, '../../services', service, 'src', file)
const { readConfig } = await import(source('config.ts'))
const { start } = (await import(source('service.ts'))) as { start: (config: unknown, overrides: { scale: number }) => Promise<Started> }

await run(() => start(readConfig(process.env), { scale: Number(scale) }))
