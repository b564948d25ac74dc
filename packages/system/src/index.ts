export * from './services.ts'
export * from './stopping.ts'
