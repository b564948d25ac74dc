import { AppError } from '@lockstep/contracts'
import { validate } from 'uuid'

/** The size of a page: the default when none is asked for. Throws `invalid` outside 1 to `max`. */
export function pageLimit(asked: number, byDefault: number, max: number): number {
  if (asked === 0) return byDefault
  if (asked < 0 || asked > max)
    throw new AppError('invalid', `"limit" is ${asked}; it must be from 1 to ${max}`)
  return asked
}

/** True for a text that can be the id of a row. */
export const isId = (text: string): boolean => validate(text)
