/**
 * The digits of a number without the one that Brazil, Mexico and Argentina put before mobile
 * numbers (meta-cloud-api.md §6). Brazil's 9 before 2–5 stays: the rest would be somebody's
 * landline.
 */
export function matchKey(digits: string): string {
  return digits
    .replace(/^55(\d{2})9([6-9]\d{7})$/, '55$1$2')
    .replace(/^521(\d{10})$/, '52$1')
    .replace(/^549(\d{10})$/, '54$1')
}
