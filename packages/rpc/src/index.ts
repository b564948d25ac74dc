export * from './call.ts'
export * from './client.ts'
export * from './peers.ts'
export * from './server.ts'
