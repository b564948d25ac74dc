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
