export { clockOffset } from './clock-offset.ts'
export { isLockBusy, isLockUnavailable, type LockKey } from './errors.ts'
export {
  createLimiter,
  isLimiterUnavailable,
  type Limiter,
  type LimiterOptions,
  type SendSlots,
  type Taken,
} from './limiter.ts'
export type { Lock } from './lock.ts'
export { createLocks, type HoldOptions, type Locks, type LocksOptions } from './locks.ts'
export { openRedis, type Redis, type RedisOptions, untilReady, type Warn } from './redis.ts'
export type { SendClass, SendRequest } from './send-limit.ts'
