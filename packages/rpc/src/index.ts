export * from './call.ts'
export * from './client.ts'
export * from './server.ts'
