/** All in ms. */
export const times = {
  /** Another process reads this connection's templates: its page is done by then. */
  lockBusyRetryMs: 5_000,
  /** A run waits so long for its first grant of the limit; past it the lane goes back to others. */
  firstGrantMs: 5_000,
  /** A page that the limit refused without saying for how long. */
  throttledRetryMs: 60_000,
  /** A run that Meta keeps from ending fails after this, so that a person sees why. */
  giveUpMs: 15 * 60_000,
  /**
   * A sync that is under way may write the template of an update: how long until it is asked
   * whether it has ended.
   */
  syncUnderWayMs: 5_000,
}
