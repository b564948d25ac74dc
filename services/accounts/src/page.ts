import { AppError } from '@lockstep/contracts'

const usualLimit = 50
const maxLimit = 200

/** The size of a page: 50 when none is asked for, at most 200. */
export function requirePageLimit(limit: number): number {
  if (limit < 0 || limit > maxLimit)
    throw new AppError('invalid', `"limit" is ${limit}; it must be from 1 to ${maxLimit}`)
  return limit || usualLimit
}
