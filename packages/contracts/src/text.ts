/** Text as PostgreSQL takes it: without U+0000, and with halves of surrogate pairs replaced by U+FFFD. */
export function cleanText(text: string): string {
  const whole = text.isWellFormed() ? text : text.toWellFormed()
  return whole.includes('\u0000') ? whole.replaceAll('\u0000', '') : whole
}

/** Clean text without blanks around it, of at most `maxLength` characters. */
export function cleanTrimmed(text: string, maxLength: number): string {
  return cleanText(text).trim().slice(0, maxLength).toWellFormed()
}
