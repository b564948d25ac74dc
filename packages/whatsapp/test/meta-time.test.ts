import { expect, test } from 'vitest'
import { metaTimeMs } from '../src/meta-time.ts'

const receivedAtMs = 1_790_000_000_700

test("no time of Meta's counts as later than its receipt, in the seconds that Meta dates in", () => {
  expect(metaTimeMs(1_790_000_000_000 + 3_600_000, receivedAtMs)).toBe(1_790_000_000_000)
  expect(metaTimeMs(1_790_000_000_000, receivedAtMs)).toBe(1_790_000_000_000)
  expect(metaTimeMs(1_789_999_000_000, receivedAtMs)).toBe(1_789_999_000_000)
  expect(metaTimeMs(null, receivedAtMs)).toBe(receivedAtMs)
})

test("what comes after news of a wrong clock isn't older than it, even within one second", () => {
  const wrong = metaTimeMs(7_258_118_400_000, receivedAtMs)
  expect(metaTimeMs(1_790_000_000_000, receivedAtMs + 100)).toBeGreaterThanOrEqual(wrong)
})
