/**
 * What two ways of writing one number have in common: its digits without the one that Brazil, Mexico and Argentina put before
 * mobile numbers, which Meta writes in one place and not in another (meta-cloud-api.md §6). Brazil's 9 is dropped before 6–9 only:
 * before 2–5 the rest would be a landline's number, and that is somebody else's.
 */
export function matchKey(digits: string): string {
  return digits
    .replace(/^55(\d{2})9([6-9]\d{7})$/, '55$1$2')
    .replace(/^521(\d{10})$/, '52$1')
    .replace(/^549(\d{10})$/, '54$1')
}
