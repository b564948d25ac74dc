export { createLogger, type Logger } from './logger.ts'
export { counter, gauge, histogram } from './metrics.ts'
export { startTelemetry, type Telemetry } from './start.ts'
export { injectTrace, withTrace } from './trace.ts'
