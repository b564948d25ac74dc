import path from 'node:path'
import type { Caller } from '@lockstep/contracts'
import type { BaseConfig } from '@lockstep/service'

/** `stranger` is unknown to the platform, `two-names` is campaigns and operator at once. */
export type TestIdentity = Caller | 'stranger' | 'two-names'

const at = (name: string) =>
  path.resolve(import.meta.dirname, '../fixtures/certificates', `${name}.pem`)

/** A certificate for 127.0.0.1 of one authority, valid for a hundred years. */
export function certificateOf(name: TestIdentity): NonNullable<BaseConfig['tls']> {
  return { ca: at('authority'), cert: at(name), key: at('key') }
}
