import { AppError, cleanTrimmed } from '@lockstep/contracts'

const maxLength = 512

/** What a person writes about an endpoint; may be empty. */
export function requireDescription(text: string): string {
  if (text.length > maxLength)
    throw new AppError('invalid', `"description" is longer than ${maxLength} characters`)
  return cleanTrimmed(text, maxLength)
}
