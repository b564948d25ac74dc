import type { TlsFiles } from '@lockstep/rpc'
import { readReady } from './ready.ts'

const env = process.env

/** The operator's certificate, as the environment names it; without one calls go in plain text. */
export function certificate(): TlsFiles | undefined {
  const { LOCKSTEP_GRPC_TLS_CA: ca, LOCKSTEP_GRPC_TLS_CERT: cert, LOCKSTEP_GRPC_TLS_KEY: key } = env
  return ca && cert && key ? { ca, cert, key } : undefined
}

/** Where a service is: as the environment says, else in the system that `npm start` runs. */
export const addressOfService = (name: 'accounts' | 'contacts' | 'events'): string =>
  env[`LOCKSTEP_${name.toUpperCase()}_ADDRESS`] ?? readReady().grpc[name]!
