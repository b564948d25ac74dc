export { clockOffset } from './clock-offset.ts'
export { LimiterUnavailable, LockBusy, type LockKey, LockUnavailable } from './errors.ts'
export {
  createLimiter,
  type Limiter,
  type LimiterOptions,
  type LimitGrant,
  type SendSlots,
} from './limiter.ts'
export type { Lock } from './lock.ts'
export { createLocks, type HoldOptions, type Locks, type LocksOptions } from './locks.ts'
export { openRedis, type Redis, type RedisOptions, untilReady, type Warn } from './redis.ts'
export type { SendClass, SendRequest } from './send-limit.ts'
