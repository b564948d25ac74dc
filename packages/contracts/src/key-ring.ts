/** A key of 32 bytes and its id, from 1 to 255. */
export interface RingKey {
  id: number
  key: Buffer
}

/** Keys of one purpose: the first is used for what is new. A key alone has the id 1. */
export type KeyRing = Buffer | readonly RingKey[]

/** The keys of a ring, the one for what is new first. */
export function ringKeys(ring: KeyRing): readonly RingKey[] {
  return Buffer.isBuffer(ring) ? [{ id: 1, key: ring }] : ring
}
