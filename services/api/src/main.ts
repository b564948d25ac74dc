import { run } from '@lockstep/service'
import { apiService } from './service.ts'

await run(apiService)
