/**
 * How far the local monotonic clock is ahead of a server's, in ms. Each answer bounds it; when
 * bounds contradict each other the newest are right.
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
