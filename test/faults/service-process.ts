import type { ServiceName } from '@lockstep/contracts'
import { readConfig, runUntilStopped, startService } from '@lockstep/service'
import { loadService } from '@lockstep/system'

/**
 * One service in a process of its own, as its main.ts runs it, with all its times multiplied by a scale, and a wall clock that
 * is so many ms off: `<service> <scale> <ms>`.
 */
const [service, scale, clockMs] = process.argv.slice(2) as [ServiceName, string, string]

const { now } = Date
Date.now = () => now() + Number(clockMs)
globalThis.Date = new Proxy(Date, {
  construct: (target, given: unknown[], newTarget) =>
    Reflect.construct(target, given.length > 0 ? given : [Date.now()], newTarget),
})

await runUntilStopped(async () => {
  const declared = await loadService(service)
  return startService(declared, readConfig(declared, process.env), { scale: Number(scale) })
})
