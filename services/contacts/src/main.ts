import { run } from '@lockstep/service'
import { contactsService } from './service.ts'

await run(contactsService)
