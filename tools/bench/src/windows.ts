/** The most of the (ascending) times that lie in any window of this length, its end not included. */
export function mostInAnyWindow(times: readonly number[], length: number): number {
  let most = 0
  let first = 0
  for (let last = 0; last < times.length; last++) {
    while ((times[last] as number) - (times[first] as number) >= length) first++
    most = Math.max(most, last - first + 1)
  }
  return most
}
