export type * from '../gen/operations.ts'
export { type CallOptions, type Client, type ClientOptions, createClient } from './client.ts'
export { ApiError, ApiUnreachable } from './errors.ts'
export type { Upload } from './upload.ts'
