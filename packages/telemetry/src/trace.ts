import { context, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'

/** W3C trace context; nothing is set when nothing is traced. */
export function injectTrace(set: (name: string, value: string) => void): void {
  propagation.inject(context.active(), null, { set: (_, name, value) => set(name, value) })
}

/** Continues the trace of a message's headers; an error is recorded and thrown on. */
export function withTrace<T>(
  get: (name: string) => string | undefined,
  name: string,
  fn: () => Promise<T>,
): Promise<T> {
  const parent = propagation.extract(context.active(), null, {
    get: (_, key) => get(key),
    keys: () => [],
  })
  return trace
    .getTracer('lockstep')
    .startActiveSpan(name, { kind: SpanKind.CONSUMER }, parent, async (span) => {
      try {
        return await fn()
      } catch (error) {
        span.recordException(error as Error)
        span.setStatus({ code: SpanStatusCode.ERROR })
        throw error
      } finally {
        span.end()
      }
    })
}
