import { fateOf, type Step } from './fate.ts'
import { replyId } from './journeys.ts'
import { cutTornLine, type LogLine, type PostLine, readLog } from './log.ts'
import { defaultSettings, mergeSettings, type Settings, settingsPatch } from './settings.ts'
import { emptyWorld, mergeState, statePatch, type World } from './state.ts'
import { count, emptySummary, type Summary } from './summary.ts'
import type { Element, Journey } from './webhook-body.ts'

/** How many POSTs and accepted messages a recipient has had from a number. */
export interface Tally {
  posts: number
  messages: number
}

/** All that a log says about the past, and what was still to be done when it ended. */
export interface Past {
  settings: Settings
  world: World
  summary: Summary
  tallies: Map<string, Tally>
  lastDelivery: number
  /** Messages with updates that no callback has answered 200, by wamid and by the id of their reply. */
  journeys: Map<string, { journey: Journey; acceptedAtMs: number }>
  /** Injected messages and events that no callback has answered 200, by id. */
  loose: Map<string, Element>
}

/** Reads the log back, so that a restart changes nothing: counts go on, and webhooks that were under way are sent. */
export async function readPast(path: string): Promise<Past> {
  cutTornLine(path)
  const past: Past = {
    settings: defaultSettings(1),
    world: emptyWorld(),
    summary: emptySummary(),
    tallies: new Map(),
    lastDelivery: 0,
    journeys: new Map(),
    loose: new Map(),
  }
  for await (const line of readLog(path)) apply(past, line)
  return past
}

function apply(past: Past, line: LogLine): void {
  count(past.summary, line)
  if (line.kind === 'start' && line.seed !== undefined)
    past.settings = { ...past.settings, seed: line.seed }
  if (line.kind === 'settings') {
    const patch = settingsPatch.parse(line.patch)
    // Orders for "the next n" were for the process that got them.
    past.settings = mergeSettings(past.settings, {
      ...patch,
      errors: { ...patch.errors, next: [] },
      faults: { ...patch.faults, next: [] },
    })
  }
  if (line.kind === 'state') mergeState(past.world, statePatch.parse(line.patch))
  if (line.kind === 'inbound') past.loose.set(line.messageId, inboundElement(line))
  if (line.kind === 'event') past.loose.set(line.id, { ...line, kind: 'event' })
  if (line.kind === 'post' && line.recipient !== undefined) applyPost(past, line, line.recipient)
  if (line.kind === 'delivery') {
    past.lastDelivery = Math.max(past.lastDelivery, Number(line.id.slice(1)))
    if (line.httpStatus === 200) for (const ref of line.elements) applyDelivered(past, ref)
  }
  if (line.kind === 'reset') {
    past.settings = defaultSettings(past.settings.seed)
    if (line.forgetState) past.world = emptyWorld()
    past.journeys.clear()
    past.loose.clear()
  }
}

/** The update that an `inbound` line stands for. */
export function inboundElement(line: Omit<Extract<LogLine, { kind: 'inbound' }>, 'seq'>): Element {
  const { phoneNumberId, from, name, username, messageId, message } = line
  const known = { ...(name !== undefined && { name }), ...(username !== undefined && { username }) }
  return { kind: 'message', phoneNumberId, from, ...known, message: { ...message, id: messageId } }
}

/** The tally of a number and a recipient, made if it is not there. */
export function tallyOf(
  tallies: Map<string, Tally>,
  phoneNumberId: string,
  recipient: string,
): Tally {
  const key = `${phoneNumberId}|${recipient}`
  const tally = tallies.get(key) ?? { posts: 0, messages: 0 }
  tallies.set(key, tally)
  return tally
}

/** The way of an accepted message, from the line that says so. */
export function journeyOf(settings: Settings, line: Omit<PostLine, 'seq'>): Journey {
  return {
    wamid: line.wamid!,
    phoneNumberId: line.phoneNumberId,
    recipient: line.recipient!,
    ...(line.callback !== undefined && { callback: line.callback }),
    category: line.template?.category?.toLowerCase() ?? 'service',
    steps: stepsOf(settings, line),
    delivered: 0,
  }
}

/** A reaction is told as sent or failed, never as delivered or read (Meta, messages/reaction-messages). */
function stepsOf(settings: Settings, line: Omit<PostLine, 'seq'>): Step[] {
  const steps = fateOf(settings, line.phoneNumberId, line.recipient!, line.nth!)
  return line.type === 'reaction' ? steps.slice(0, 1) : steps
}

function applyPost(past: Past, line: PostLine, recipient: string): void {
  const tally = tallyOf(past.tallies, line.phoneNumberId, recipient)
  if (line.nthPost !== undefined) tally.posts = line.nthPost
  if (line.outcome !== 'accepted') return
  tally.messages = line.nth!
  const entry = { journey: journeyOf(past.settings, line), acceptedAtMs: line.atMs }
  past.journeys.set(line.wamid!, entry)
  if (entry.journey.steps.some((step) => step.kind === 'reply'))
    past.journeys.set(replyId(entry.journey), entry)
}

function applyDelivered(
  past: Past,
  ref: Extract<LogLine, { kind: 'delivery' }>['elements'][number],
): void {
  if ('eventId' in ref) return void past.loose.delete(ref.eventId)
  const id = 'messageId' in ref ? ref.messageId : ref.wamid
  if (past.loose.delete(id)) return
  const entry = past.journeys.get(id)
  if (!entry) return
  const { journey } = entry
  const kind = 'messageId' in ref ? 'reply' : ref.status
  const index = journey.steps.findIndex((step) => step.kind === kind)
  if (index >= 0) journey.delivered |= 1 << index
  if (journey.delivered !== (1 << journey.steps.length) - 1) return
  past.journeys.delete(journey.wamid)
  past.journeys.delete(replyId(journey))
}
