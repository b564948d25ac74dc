import { run } from '@lockstep/service'
import { start } from '../src/service.ts'

/** The service as a process of its own, which a test may kill: configuration and scale come as JSON, its port goes back. */
const { config, scale } = JSON.parse(process.argv[2]!)
await run(async () => {
  const service = await start({ ...config, encryptionKey: Buffer.from(config.encryptionKey, 'hex') }, { scale })
  process.send!(service.grpcPort)
  return service
})
