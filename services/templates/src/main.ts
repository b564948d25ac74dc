import { run } from '@lockstep/service'
import { templatesService } from './service.ts'

await run(templatesService)
