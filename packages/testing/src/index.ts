export * from './test-servers.ts'
export * from './world.ts'
