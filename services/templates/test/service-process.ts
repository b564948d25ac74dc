import { runUntilStopped, startService } from '@lockstep/service'
import { templatesService } from '../src/service.ts'

/**
 * The service as a process of its own, which a test may kill: configuration and scale come as JSON,
 * its port goes back.
 */
const { config, scale } = JSON.parse(process.argv[2]!)
await runUntilStopped(async () => {
  const service = await startService(
    templatesService,
    { ...config, encryptionKey: Buffer.from(config.encryptionKey, 'hex') },
    { scale },
  )
  process.send!(service.grpcPort)
  return service
})
