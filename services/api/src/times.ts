/** Times of this service, in ms. */
export const times = {
  /**
   * A key or session that was found is not asked for again for so long: a busy client costs few
   * calls, and one that has ended, or may do less now, is known everywhere within a second.
   */
  callerMs: 900,
  /** A request without a response has lost its process: whether it took effect can't be known. */
  requestLostMs: 60_000,
} as const
