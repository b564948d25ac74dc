/** What the bench uses of redlock 4, which brings no types. */
declare module 'redlock' {
  import type { Redis } from 'ioredis'

  export default class Redlock {
    constructor(clients: Redis[], options?: { retryCount?: number })
    lock(resource: string | string[], ttlMs: number): Promise<{ unlock(): Promise<void> }>
  }
}
