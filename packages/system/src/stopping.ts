/** Ctrl-C, or another signal that asks to stop. */
export class StopAsked extends Error {
  constructor() {
    super('It was asked to stop')
  }
}

/** Aborts with `StopAsked` at the first signal that asks to stop; `onAsked` is told at once. */
export function stopSignal(onAsked: () => void): AbortController {
  const ending = new AbortController()
  let lastAt = 0
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => {
      // The terminal and npm may both pass one Ctrl-C on; a second one a moment later is a person
      // in a hurry.
      if (lastAt && Date.now() - lastAt > 1_000) process.exit(130)
      lastAt = Date.now()
      if (!ending.signal.aborted) onAsked()
      ending.abort(new StopAsked())
    })
  return ending
}

/** When the signal aborts first it rejects with its reason, and the work is left alone. */
export async function unlessAborted<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  signal.throwIfAborted()
  const { promise, reject } = Promise.withResolvers<never>()
  const abort = () => reject(signal.reason)
  signal.addEventListener('abort', abort)
  try {
    return await Promise.race([work(), promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
