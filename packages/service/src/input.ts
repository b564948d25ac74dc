import { AppError } from '@lockstep/contracts'
import { v7 as uuid } from 'uuid'

/** Trimmed, at most `maxLength` characters; throws `invalid` naming the field. */
export function requireText(text: string, field: string, maxLength = 512): string {
  const trimmed = text.trim()
  if (!trimmed) throw new AppError('invalid', `"${field}" is missing`)
  if (trimmed.length > maxLength)
    throw new AppError('invalid', `"${field}" is longer than ${maxLength} characters`)
  return trimmed
}

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** An id as we give them out. Throws `not_found`, for no row can have another. */
export function requireId(id: string, noun: string): string {
  if (!uuidPattern.test(id))
    throw new AppError('not_found', `There is no ${noun} "${id.slice(0, 64)}"`)
  return id.toLowerCase()
}

/** The id that a caller chose for what is to be made, so that a repetition makes nothing new. */
export const chosenId = (id: string): string => (id ? requireId(id, 'id') : uuid())

/** The size of a page: the default when none is asked for. Throws `invalid` outside 1 to `max`. */
export function pageLimit(asked: number, byDefault: number, max: number): number {
  if (asked === 0) return byDefault
  if (asked < 0 || asked > max)
    throw new AppError('invalid', `"limit" is ${asked}; it must be from 1 to ${max}`)
  return asked
}
