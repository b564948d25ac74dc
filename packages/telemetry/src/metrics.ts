import { type Meter, metrics, type ObservableResult } from '@opentelemetry/api'

/** Few and bounded values only: lane, stream, outcome. Ids belong into logs. */
export type Labels = Record<string, string>

export interface GaugeReading {
  value: number
  labels?: Labels
}

/** By unit; OpenTelemetry's own bounds are milliseconds. */
const buckets = {
  s: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
  By: [256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304],
  '1': [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000],
}

/** `_total` is appended to its name; before {@link startTelemetry} nothing is counted. */
export function counter(name: string, description: string): (n?: number, labels?: Labels) => void {
  const instrument = lazily((meter) => meter.createCounter(name, { description }))
  return (n = 1, labels) => instrument().add(n, labels)
}

/** Records how figures are spread, in seconds, bytes or pieces. */
export function histogram(
  name: string,
  description: string,
  unit: keyof typeof buckets,
): (value: number, labels?: Labels) => void {
  const advice = { explicitBucketBoundaries: buckets[unit] }
  const instrument = lazily((meter) => meter.createHistogram(name, { description, unit, advice }))
  return (value, labels) => instrument().record(value, labels)
}

/** Read whenever metrics are collected, until disposed; one that fails is left out. */
export function gauge(
  name: string,
  description: string,
  read: () => GaugeReading[] | Promise<GaugeReading[]>,
): Disposable {
  const observe = async (result: ObservableResult) => {
    for (const { value, labels } of await read()) result.observe(value, labels)
  }
  const instrument = lazily((meter) => {
    const created = meter.createObservableGauge(name, { description })
    created.addCallback(observe)
    return created
  })
  gauges.add(instrument)
  return {
    [Symbol.dispose]() {
      gauges.delete(instrument)
      instrument().removeCallback(observe)
    },
  }
}

/** Gauges have no caller that would attach them to a provider that starts later. */
const gauges = new Set<() => unknown>()

/** Attaches every gauge to the present provider; called before each collection. */
export function attachGauges(): void {
  for (const instrument of gauges) instrument()
}

/** Made anew when the provider changes: one made before it stays without effect. */
function lazily<T>(create: (meter: Meter) => T): () => T {
  let madeFrom: unknown
  let made: T | undefined
  return () => {
    const provider = metrics.getMeterProvider()
    if (madeFrom !== provider) {
      madeFrom = provider
      made = create(provider.getMeter('lockstep'))
    }
    return made as T
  }
}
