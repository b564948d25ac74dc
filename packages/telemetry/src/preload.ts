/**
 * Tracing for `--import @lockstep/telemetry/preload`; it comes before the modules it instruments,
 * so it runs at import.
 */
const otlpUrl = process.env.LOCKSTEP_OTLP_URL ?? process.env.OTEL_EXPORTER_OTLP_ENDPOINT
if (otlpUrl) {
  const [{ NodeSDK }, { OTLPTraceExporter }, { getNodeAutoInstrumentations }] = await Promise.all([
    import('@opentelemetry/sdk-node'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/auto-instrumentations-node'),
  ])
  const sdk = new NodeSDK({
    serviceName: process.env.OTEL_SERVICE_NAME ?? 'lockstep',
    traceExporter: new OTLPTraceExporter({ url: `${otlpUrl.replace(/\/+$/, '')}/v1/traces` }),
    metricReaders: [],
    logRecordProcessors: [],
    instrumentations: getNodeAutoInstrumentations({
      '@opentelemetry/instrumentation-dns': { enabled: false },
      '@opentelemetry/instrumentation-net': { enabled: false },
      '@opentelemetry/instrumentation-runtime-node': { enabled: false },
    }),
  })
  sdk.start()
  // Not on SIGTERM: a listener of ours would take the signal's default effect away from a process
  // that has none.
  process.once('beforeExit', () => void sdk.shutdown().catch(() => undefined))
}
