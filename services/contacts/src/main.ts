import { run } from '@lockstep/service'
import { readConfig } from './config.ts'
import { start } from './service.ts'

await run(() => start(readConfig(process.env)))
