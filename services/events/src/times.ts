/** All in ms. */
export const times = {
  /** An endpoint that has not answered by then has failed. */
  postTimeoutMs: 10_000,
}
