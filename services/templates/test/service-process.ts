import { run } from '@lockstep/service'
import { start } from '../src/service.ts'

/** The service as a process of its own, which a test may kill: configuration and scale come as JSON. */
const { config, scale } = JSON.parse(process.argv[2]!)
await run(() => start({ ...config, encryptionKey: Buffer.from(config.encryptionKey, 'hex') }, { scale }))
