/** Times of this service, in ms. */
export const times = {
  /**
   * A key that was found is not asked for again for so long: a busy client costs few calls, and a
   * key that is withdrawn ends everywhere within a second.
   */
  apiKeyMs: 900,
  /** A request without a response has lost its process: whether it took effect can't be known. */
  requestLostMs: 60_000,
} as const
