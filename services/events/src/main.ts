import { run } from '@lockstep/service'
import { eventsService } from './service.ts'

await run(eventsService)
