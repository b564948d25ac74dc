import { AppError } from '@lockstep/contracts'

const printable = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/

/** Throws `invalid` for a secret that can't stand in a header, naming the field. */
export function requireHeaderText(text: string, field: string): string {
  if (printable.test(text)) return text
  throw new AppError('invalid', `"${field}" must be printable ASCII characters, as Meta shows it`)
}
