/** Times of this service, in ms. */
export const times = {
  /**
   * A key that was found is not asked for again for so long, so that a busy client costs no call.
   */
  apiKeyMs: 10_000,
  /** A request without a response has lost its process: whether it took effect can't be known. */
  requestLostMs: 60_000,
} as const
