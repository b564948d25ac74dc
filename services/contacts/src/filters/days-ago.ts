/** The moment at which a day began in a time zone: today for 0, yesterday for 1. */
export function daysAgo(now: Date, timeZone: string, days: number): Date {
  const [year, month, day] = partsAt(now, timeZone)
  const midnight = Date.UTC(year!, month! - 1, day! - days)
  // The first guess may lie on the other side of a change of the clocks.
  const guess = midnight - offsetAt(midnight, timeZone)
  return new Date(midnight - offsetAt(guess, timeZone))
}

function partsAt(at: Date, timeZone: string): number[] {
  const format = new Intl.DateTimeFormat('en-US', {
    ...{ timeZone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric' },
    ...{ hour: 'numeric', minute: 'numeric', second: 'numeric' },
  })
  const named = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]))
  return ['year', 'month', 'day', 'hour', 'minute', 'second'].map((name) => Number(named[name]))
}

/** How far the clocks of a time zone are ahead of UTC, ms. */
function offsetAt(ms: number, timeZone: string): number {
  const [year, month, day, hour, minute, second] = partsAt(new Date(ms), timeZone)
  const local = Date.UTC(year!, month! - 1, day!, hour, minute, second)
  return local - Math.floor(ms / 1_000) * 1_000
}
