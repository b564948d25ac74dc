import { run } from '@lockstep/service'
import { accountsService } from './service.ts'

await run(accountsService)
