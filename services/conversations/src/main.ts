import { run } from '@lockstep/service'
import { conversationsService } from './service.ts'

await run(conversationsService)
