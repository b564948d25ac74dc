import { run } from '@lockstep/service'
import { webhookGatewayService } from './service.ts'

await run(webhookGatewayService)
