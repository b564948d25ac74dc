import { run } from '@lockstep/service'
import { start } from '../src/service.ts'

/** The service as a process of its own that a test can kill: its configuration comes as JSON, its times are scaled. */
const { config, scale } = JSON.parse(process.argv[2]!)
await run(() => start(config, { scale }))
