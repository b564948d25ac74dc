import { expect, test } from 'vitest'
import { counter, gauge, histogram, startTelemetry } from '../src/index.ts'

const madeBeforeStart = counter('early_counter', 'Made at module level.')

test('instruments that were made before the start count from the start on, and again after a restart', async () => {
  using _gauge = gauge('early_gauge', 'Made before the start.', async () => [
    { value: 7, labels: { lane: 'a' } },
  ])
  madeBeforeStart()
  for (const _round of [1, 2]) {
    await using telemetry = startTelemetry({ service: 'test' })
    madeBeforeStart(2, { lane: 'a' })
    const text = await telemetry.metricsText()
    expect(text).toContain('early_counter_total{lane="a"} 2\n')
    expect(text).toContain('early_gauge{lane="a"} 7\n')
  }
})

test('services in one process share one provider, which lives until the last of them is gone', async () => {
  await using first = startTelemetry({ service: 'a' })
  const second = startTelemetry({ service: 'b' })
  madeBeforeStart(1, { from: 'both' })
  expect(await first.metricsText()).toContain('early_counter_total{from="both"} 1\n')
  await second[Symbol.asyncDispose]()
  await second[Symbol.asyncDispose]()
  madeBeforeStart(1, { from: 'both' })
  expect(await first.metricsText()).toContain('early_counter_total{from="both"} 2\n')
})

test('a histogram of seconds tells 3 ms from 30 ms, and a disposed or failing gauge is left out', async () => {
  await using telemetry = startTelemetry({ service: 'test' })
  const record = histogram('took_seconds', 'Time.', 's')
  record(0.003)
  record(0.03)
  gauge('gone', 'Disposed.', () => [{ value: 1 }])[Symbol.dispose]()
  using _failing = gauge('failing', 'Throws.', () => Promise.reject(new Error('cannot read')))
  const text = await telemetry.metricsText()
  expect(text).toContain('took_seconds_bucket{le="0.005"} 1\n')
  expect(text).toContain('took_seconds_bucket{le="0.05"} 2\n')
  expect(text).not.toMatch(/^gone/m)
  expect(text).not.toMatch(/^failing/m)
  expect(text).toMatch(/process_memory_bytes\{kind="rss"\} \d+/)
})
