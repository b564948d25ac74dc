import { idOf } from './json.ts'

/**
 * Meta, business-scoped-user-ids: a country code, a dot, letters and digits; parents have `ENT.`
 * between.
 */
export const userIdPattern = /^[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}$/

/** The id of an app, a WABA or a number: digits, as Graph's paths hold them. */
export const metaIdPattern = /^\d{1,32}$/

/** How Meta names a person. */
export interface MetaIds {
  /** Digits. */
  waId: string | undefined
  userId: string | undefined
}

/**
 * A person's ids as Meta writes them in two places; a user id is also seen where a number should
 * stand (courier, hello_bsuid_in_from).
 */
export function idsOf(waId: unknown, userId: unknown): MetaIds {
  return { waId: waIdOf(waId), userId: userIdOf(userId) ?? userIdOf(waId) }
}

/**
 * The digits of a number that is written as one, with whatever stands between them; undefined for
 * what is none.
 */
export function waIdOf(value: unknown): string | undefined {
  const text = idOf(value) ?? ''
  const digits = text.replace(/\D/g, '')
  return /^\s*\+?[\d\s().-]+$/.test(text) && digits.length >= 5 && digits.length <= 20
    ? digits
    : undefined
}

/** A business-scoped user id, without blanks around it; undefined for what is none. */
export function userIdOf(value: unknown): string | undefined {
  const id = idOf(value)?.trim()
  return id !== undefined && userIdPattern.test(id) ? id : undefined
}
