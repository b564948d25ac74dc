import { AppError } from '@lockstep/contracts'
import { metaIdPattern } from '@lockstep/whatsapp'

/** An id of Meta's, without blanks around it; throws `invalid` naming the field. */
export function requireMetaId(text: string, field: string): string {
  const id = text.trim()
  if (!metaIdPattern.test(id))
    throw new AppError(
      'invalid',
      `"${field}" must be the digits of an id at Meta, such as 102290129340398`,
    )
  return id
}
