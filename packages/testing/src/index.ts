export * from './certificates.ts'
export * from './test-servers.ts'
export * from './world.ts'
