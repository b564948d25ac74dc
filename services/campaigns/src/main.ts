import { run } from '@lockstep/service'
import { campaignsService } from './service.ts'

await run(campaignsService)
