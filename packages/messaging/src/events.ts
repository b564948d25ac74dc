import type { events } from '@lockstep/contracts'
import type { Link } from './link.ts'
import { counted } from './metrics.ts'

/** `events.<service>.<entity>.<verb>`, from the table of events. */
export type EventSubject = (typeof events)[keyof typeof events]

/** Nothing may depend on an event, so a lost one is only counted. */
export function publishEvent(
  { nc, isConnected }: Link,
  subject: EventSubject,
  payload: unknown = null,
): void {
  if (isConnected()) nc.publish(subject, JSON.stringify(payload))
  else counted.eventsDropped()
}

/** Calls `fn` with the payload of each such event, from now on. */
export function subscribeEvent(
  { nc, log }: Link,
  subject: EventSubject,
  fn: (payload: unknown) => void,
): Disposable {
  const subscription = nc.subscribe(subject, {
    callback: (err, msg) => {
      if (err) return log.error({ err, subject }, 'the subscription for events failed')
      try {
        fn(msg.json())
      } catch (cause) {
        counted.eventsDropped()
        log.warn({ err: cause, subject }, 'event could not be handled')
      }
    },
  })
  return { [Symbol.dispose]: () => subscription.unsubscribe() }
}
