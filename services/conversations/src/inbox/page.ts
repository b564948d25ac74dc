import { AppError } from '@lockstep/contracts'

/** Rows of a page: 50 unless asked for, at most 200. */
export function pageSize(limit: number): number {
  return limit > 0 ? Math.min(limit, 200) : 50
}

/** An id of a row that is counted up. Throws `not_found`, for no row can have another. */
export function requireSerial(id: string, noun: string): string {
  if (!/^\d{1,18}$/.test(id))
    throw new AppError('not_found', `There is no ${noun} "${id.slice(0, 64)}"`)
  return id
}
