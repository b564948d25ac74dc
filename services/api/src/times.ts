/** Times of this service, in ms. */
export const times = {
  /**
   * A key or session that was found is not asked for again for so long: a busy client costs few
   * calls, and one that has ended, or may do less now, is known everywhere within a second.
   */
  callerMs: 900,
  /** A request without a response has lost its process: whether it took effect can't be known. */
  requestLostMs: 60_000,
  /** New events are read so often, in case that no wake-up came. */
  readTailsEveryMs: 1_000,
  /** Wake-ups within this are read for together. */
  gatherWakeUpsMs: 10,
  /** A stream without events says something, so that proxies keep it open. */
  keepStreamAliveMs: 15_000,
  /** How often it is asked whether a stream's caller may still follow, and whether it reads. */
  lookAtStreamsEveryMs: 2_000,
  /** A stream that has taken nothing of what waits for it for so long is cut. */
  slowReaderMs: 20_000,
} as const
