import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { test } from 'vitest'
import { createContext } from '../src/context.ts'
import { serveWebhooks } from '../src/http.ts'
import { openIntake } from '../src/intake.ts'
import { openWorld, startGateway, untilKnown } from './gateway.ts'

test('bench', async () => {
  await using here = await openWorld()
  await using gateway = await startGateway(here.config, { scale: 1 })
  await using ctx = await createContext(here.config, { scale: 1 })
  await using floor = await serveWebhooks(ctx, { store: async () => {}, [Symbol.asyncDispose]: async () => {} })
  const quiet = { ...ctx, messaging: { ...ctx.messaging, ring() {} } }
  await using silent = await serveWebhooks(quiet, openIntake(quiet))
  await untilKnown(gateway.origin, here.app)
  await untilKnown(`http://127.0.0.1:${floor.port}`, here.app)
  const run = async (port: string | number, elements: number) => {
    const c0 = process.cpuUsage()
    const out = (
      await promisify(execFile)(process.execPath, ['/tmp/wg/load.mjs', String(port), here.app.id, here.app.secret, '4', String(elements)])
    ).stdout.trim()
    const c = process.cpuUsage(c0)
    return out + ' nodeCpu ' + ((c.user + c.system) / 1e6).toFixed(1)
  }
  for (let i = 0; i < 2; i++) {
    console.log('floor ', await run(floor.port, 1))
    console.log('store ', await run(new URL(gateway.origin).port, 1))
    console.log('noring', await run(silent.port, 1))
  }
}, 120_000)
