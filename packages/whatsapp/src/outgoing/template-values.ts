/** Meta takes at most so many blanks in a row in a text value (132018). */
const maxBlanks = 4

/** A text as a template's value: blanks in a row become one, line breaks and tabs a blank. */
export const collapseSpace = (text: string): string =>
  text.replace(/[\s\u0085]*[\t\n\v\f\r\u0085\u2028\u2029][\s\u0085]*|\s{2,}/g, ' ').trim()

/** Why Meta would refuse a text as a template's value, in words; null when it would not. */
export function spaceFault(text: string): string | null {
  if (/[\n\v\f\r\u0085\u2028\u2029]/.test(text)) return 'a line break'
  if (text.includes('\t')) return 'a tab'
  return new RegExp(`\\s{${maxBlanks + 1}}`).test(text)
    ? `more than ${maxBlanks} blanks in a row`
    : null
}

/** Whether a text is a link from which Meta can fetch media. */
export function isMediaLink(text: string): boolean {
  if (!/^https:\/\/[^\s]+$/i.test(text) || !URL.canParse(text)) return false
  return new URL(text).hostname.includes('.')
}
