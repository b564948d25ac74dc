/** Times of this service, in ms. */
export const times = {
  /** A POST to Meta that takes longer has an outcome that isn't known. */
  graphTimeoutMs: 10_000,
  /** An attempt that has no outcome so long after its claim has lost its process. */
  staleAfterMs: 20_000,
  /** A campaign gives its lane back after it, so that pauses and other campaigns need not wait. */
  sendSliceMs: 3_000,
  /** A slice with the answer before it and the last claim at its end. */
  longestSliceMs: 4_000,
  /** A list is worked on for so long at a time: a restart costs no more. */
  listSliceMs: 3_000,
  /** Reading one page of the audience. */
  audiencePageMs: 30_000,
  /** How soon a campaign asks again for one of its account's places to prepare. */
  prepareAgainMs: 1_000,
  /** A message of a person is handled so long after its webhook, or marketing waits. */
  repliesWithinMs: 30_000,
  /** How soon it is asked again whether replies are handled. */
  repliesAgainMs: 1_000,
  /** A restriction of Meta's mostly lasts for days. */
  restrictionAgainMs: 10_000,
} as const
