import path from 'node:path'
import { run, type Started } from '@lockstep/service'

/**
 * One service in a process of its own, as its main.ts runs it, with all its times multiplied by a scale, and a wall clock that
 * is so many ms off: `<service> <scale> <ms>`.
 */
const [service, scale, clockMs] = process.argv.slice(2) as [string, string, string]

const { now } = Date
Date.now = () => now() + Number(clockMs)
globalThis.Date = new Proxy(Date, {
  construct: (target, given: unknown[], newTarget) => Reflect.construct(target, given.length > 0 ? given : [Date.now()], newTarget),
})

const source = (file: string) => path.resolve(import.meta.dirname, '../../services', service, 'src', file)
const { readConfig } = await import(source('config.ts'))
const { start } = (await import(source('service.ts'))) as { start: (config: unknown, overrides: { scale: number }) => Promise<Started> }

await run(() => start(readConfig(process.env), { scale: Number(scale) }))
