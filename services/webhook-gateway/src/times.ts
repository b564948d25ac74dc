/** The times of this service, ms. */
export const times = {
  // What is known of an app is read again after so long, while the app is used.
  appStaleMs: 30_000,
  // After an app could not be read, or may have changed.
  appRetryMs: 1_000,
  appRefreshMs: 1_000,
  // "No such app" is an answer for so long.
  unknownAppMs: 5_000,
  // A list of an account's numbers is used for so long, or until any connection changes.
  numbersMs: 10_000,
  // After an adoption failed.
  adoptRetryMs: 1_000,
  // A slower commit is answered 503; if it succeeds later, Meta's repetition changes nothing.
  storeTimeoutMs: 10_000,
}
