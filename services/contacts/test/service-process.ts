import { runUntilStopped, startService } from '@lockstep/service'
import { contactsService } from '../src/service.ts'

/** The service as a process of its own that a test can kill: its configuration comes as JSON, its times are scaled. */
const { config, scale } = JSON.parse(process.argv[2]!)
await runUntilStopped(() => startService(contactsService, config, { scale }))
