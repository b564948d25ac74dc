/**
 * How far the local monotonic clock is ahead of a server's, in ms. The server read its clock at some time between question and
 * answer, so each answer bounds the difference; the quickest so far bound it best, and a slow answer moves nothing. Bounds that
 * contradict each other are of a clock that was set, or that drifted: then the newest are right.
 */
export function clockOffset(): (askedAt: number, serverMs: number, answeredAt: number) => number {
  let [least, most] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]
  return (askedAt, serverMs, answeredAt) => {
    least = Math.max(least, askedAt - serverMs)
    most = Math.min(most, answeredAt - serverMs)
    if (least > most) [least, most] = [askedAt - serverMs, answeredAt - serverMs]
    return (least + most) / 2
  }
}
