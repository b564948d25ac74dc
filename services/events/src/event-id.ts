import { AppError } from '@lockstep/contracts'

/** An event's id: digits. Throws `invalid`. */
export function requireEventId(id: string): string {
  if (/^\d{1,18}$/.test(id)) return id
  throw new AppError('invalid', `"${id.slice(0, 64)}" is no event's id`)
}
