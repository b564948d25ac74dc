import type { Link } from './link.ts'
import { counted } from './metrics.ts'

/** `events.<service>.<entity>.<verb>` */
export type EventSubject = `events.${string}`

/** Tells live views that something happened; nothing may depend on it, so a lost one is only counted. */
export function publishEvent({ nc, isConnected }: Link, subject: EventSubject, payload: unknown = null): void {
  if (isConnected()) nc.publish(subject, JSON.stringify(payload))
  else counted.eventsDropped()
}

/** Calls `fn` for each event below a prefix such as `events.campaigns`, from now on. */
export function subscribeEvents(
  { nc, log }: Link,
  prefix: EventSubject | 'events',
  fn: (subject: string, payload: unknown) => void,
): Disposable {
  const subscription = nc.subscribe(`${prefix}.>`, {
    callback: (err, msg) => {
      if (err) return log.error({ err, prefix }, 'the subscription for events failed')
      try {
        fn(msg.subject, msg.json())
      } catch (cause) {
        counted.eventsDropped()
        log.warn({ err: cause, subject: msg.subject }, 'event could not be handled')
      }
    },
  })
  return { [Symbol.dispose]: () => subscription.unsubscribe() }
}
