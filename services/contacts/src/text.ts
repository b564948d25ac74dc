/** Text from outside as PostgreSQL takes it: no U+0000, no half surrogates, trimmed, at most `maxLength` characters. */
export function clean(text: string, maxLength: number): string {
  return text.replaceAll('\0', '').trim().slice(0, maxLength).toWellFormed()
}

/** Longest tag, in characters. */
export const maxTagLength = 64

/**
 * Most that a contact carries in names and values of attributes, in characters. The first row of a file with its header always fits:
 * neither may be longer than 16 kB.
 */
export const maxAttributesLength = 32_000

/** Most tags that a contact carries, and most characters in all of them. */
export const maxTags = 200
export const maxTotalTagsLength = 8_000
