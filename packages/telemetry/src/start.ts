import { monitorEventLoopDelay } from 'node:perf_hooks'
import { metrics } from '@opentelemetry/api'
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus'
import { NodeSDK } from '@opentelemetry/sdk-node'
import { attachGauges, gauge } from './metrics.ts'

export interface Telemetry extends AsyncDisposable {
  /**
   * Everything counted in this process, in Prometheus' text format (`text/plain; version=0.0.4`).
   */
  metricsText(): Promise<string>
}

/** One a process, as OpenTelemetry's API has one, and how many services use it. */
let shared: (Telemetry & { users: number }) | undefined

/**
 * Starts metrics for this process, or joins those of another service in it. Spans are the
 * preload's.
 */
export function startTelemetry({ service }: { service: string }): Telemetry {
  shared ??= { users: 0, ...startProvider(service) }
  const provider = shared
  provider.users += 1
  let open = true
  return {
    metricsText: provider.metricsText,
    async [Symbol.asyncDispose]() {
      if (!open) return
      open = false
      provider.users -= 1
      if (provider.users > 0) return
      shared = undefined
      await provider[Symbol.asyncDispose]()
    },
  }
}

function startProvider(service: string): Telemetry {
  const reader = new PrometheusExporter({ preventServerStart: true })
  const serializer = new PrometheusSerializer(undefined, false, undefined, false, true)
  const sdk = new NodeSDK({
    serviceName: service,
    autoDetectResources: false,
    metricReaders: [reader],
    // Left out, they would send to a collector on localhost.
    logRecordProcessors: [],
    spanProcessors: [],
  })
  sdk.start()
  const runtime = runtimeGauges()
  return {
    async metricsText() {
      attachGauges()
      const { resourceMetrics } = await reader.collect()
      return `${serializer.serialize(resourceMetrics)}\n`
    },
    async [Symbol.asyncDispose]() {
      runtime.dispose()
      await sdk.shutdown()
      metrics.disable()
    },
  }
}

/** The two figures that explain a slow process: event loop delay and memory. */
function runtimeGauges(): DisposableStack {
  const delay = monitorEventLoopDelay({ resolution: 20 })
  delay.enable()
  const stack = new DisposableStack()
  stack.defer(() => delay.disable())
  stack.use(
    gauge(
      'nodejs_eventloop_delay_seconds',
      'Delay of the event loop since the last collection.',
      () => {
        const readings = (['0.5', '0.99'] as const).map((quantile) => ({
          value: delay.percentile(Number(quantile) * 100) / 1e9,
          labels: { quantile },
        }))
        delay.reset()
        return readings
      },
    ),
  )
  stack.use(
    gauge('process_memory_bytes', 'Memory of the process.', () => {
      const { rss, heapUsed, external } = process.memoryUsage()
      return Object.entries({ rss, heapUsed, external }).map(([kind, value]) => ({
        value,
        labels: { kind },
      }))
    }),
  )
  return stack
}
