/** Longest tag, in characters. */
export const maxTagLength = 64

/**
 * Most characters of names and values of attributes: a header and a row of 16 kB each always fit.
 */
export const maxAttributesLength = 32_000

/** Most tags that a contact carries, and most characters in all of them. */
export const maxTags = 200
export const maxTotalTagsLength = 8_000
