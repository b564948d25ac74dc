import { draws, wamid } from './fate.ts'
import type { Settings } from './settings.ts'
import type { PhoneNumber } from './state.ts'
import { createTimeline } from './timeline.ts'
import type { Element, Journey } from './webhook-body.ts'

/** Lets each accepted message meet its fate in time. */
export interface Journeys extends Disposable {
  /** Begins with the first step, counted from the moment of acceptance. Steps that are long due happen at once, in order. */
  start(journey: Journey, acceptedAtMs: number): void
  readonly size: number
  clear(): void
}

interface Due {
  journey: Journey
  index: number
  /** When it happened, for a step that is told late. */
  toldLateMs?: number
}

/** Opens the journeys; `emit` gets each update when it is due, `idle` is called for one that is not told again. */
export function createJourneys(
  settings: () => Settings,
  number: (id: string) => PhoneNumber | undefined,
  emit: (element: Element) => void,
  idle: () => void,
): Journeys {
  const timeline = createTimeline<Due>(({ journey, index, toldLateMs }, dueMs) => {
    const step = journey.steps[index]!
    if (toldLateMs === undefined) {
      const next = journey.steps[index + 1]
      // Only the next step waits in the heap, so a message costs one entry however long its way is.
      if (next) timeline.add(dueMs + next.afterMs, { journey, index: index + 1 })
      if (journey.delivered & (1 << index)) return idle()
      const holdMs = holdBack(settings(), journey, index)
      if (holdMs > 0) return timeline.add(dueMs + holdMs, { journey, index, toldLateMs: dueMs })
    }
    const atMs = toldLateMs ?? dueMs
    if (step.kind !== 'reply') return emit({ kind: 'status', journey, step, atMs })
    emit(replyOf(journey, step.text!, number(journey.phoneNumberId)?.digits ?? '', atMs))
  })

  return {
    start: (journey, acceptedAtMs) =>
      timeline.add(acceptedAtMs + journey.steps[0]!.afterMs, { journey, index: 0 }),
    get size() {
      return timeline.size
    },
    clear: () => timeline.clear(),
    [Symbol.dispose]: () => timeline.clear(),
  }
}

/** How long a step is kept back to be overtaken by later ones; 0 for most. */
function holdBack({ seed, webhooks, delaysMs }: Settings, journey: Journey, index: number): number {
  if (webhooks.disorder === 0) return 0
  const draw = draws(seed, 'hold', journey.wamid, index)
  if (draw() >= webhooks.disorder) return 0
  return (0.5 + draw()) * (delaysMs.delivered.max + delaysMs.read.max + 4 * webhooks.batchMs + 20)
}

/** Id of the answer to a message. */
export function replyId(journey: { wamid: string; recipient: string }): string {
  return wamid(journey.recipient, 'in', 'reply', journey.wamid)
}

/** An inbound text that quotes the message it answers (meta-cloud-api.md §3 "context"). */
function replyOf(journey: Journey, text: string, businessDigits: string, atMs: number): Element {
  const message = {
    context: { from: businessDigits, id: journey.wamid },
    id: replyId(journey),
    timestamp: String(Math.floor(atMs / 1000)),
    text: { body: text },
    type: 'text',
  }
  return { kind: 'message', phoneNumberId: journey.phoneNumberId, from: journey.recipient, message }
}
