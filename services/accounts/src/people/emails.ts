import { AppError } from '@lockstep/contracts'

const longest = 254
const pattern = /^[^\s@\p{C}]+@[^\s@\p{C}]+\.[^\s@\p{C}]+$/u

/** In lower case, as names are compared; throws `invalid` for what can't be one. */
export function requireEmail(text: string): string {
  const email = lowerCase(text)
  if (email.length > longest || !pattern.test(email))
    throw new AppError('invalid', '"email" must be an e-mail address such as ana@example.com')
  return email
}

/** As it is looked up; what can't be an e-mail is nobody's. */
export const lowerCase = (text: string): string => text.trim().normalize('NFKC').toLowerCase()
