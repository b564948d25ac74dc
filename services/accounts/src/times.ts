const hour = 3_600_000
const day = 24 * hour

/** Times of this service, in ms. */
export const times = {
  /** A working day, a night and a little more: who comes back every morning stays signed in. */
  sessionUnusedMs: 36 * hour,
  /** Used or not, then a person signs in again. */
  sessionMs: 14 * day,
  /** A link travels by mail or chat, and people are away for a weekend. */
  invitationMs: 7 * day,
  /** Who asks for it is waiting for it. */
  passwordResetMs: 24 * hour,
  /** A person signs in at a provider, or looks for their phone, within it. */
  signInTicketMs: hour / 6,
  /** Tries to sign in are counted for so long. */
  signInWindowMs: hour / 4,
  /** A token that Meta has withdrawn is found out by the next send at once, and else by then. */
  tokenCheckMs: 6 * hour,
  /** Between Meta's handshakes with the gateway. */
  handshakePauseMs: 500,
  /** Longer than all calls to Meta of one sign-up. */
  signUpBusyMs: 60_000,
  /** A customer who has signed up comes back within a day, or signs up again. */
  signUpKeptMs: day,
  /** A check that is not done by then is another process's. */
  tokenCheckLeaseMs: hour / 6,
} as const
