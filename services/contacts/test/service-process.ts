import { readConfig, runUntilStopped, startService } from '@lockstep/service'
import { contactsService } from '../src/service.ts'

/** The service as a process of its own, with its times scaled by the first argument. */
const scale = Number(process.argv[2])
await runUntilStopped(() =>
  startService(contactsService, readConfig(contactsService, process.env), { scale }),
)
