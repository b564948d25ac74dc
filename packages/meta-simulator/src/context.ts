import { lockFile } from '@lockstep/servers'
import { personOf } from './fate.ts'
import { createJourneys, type Journeys } from './journeys.ts'
import { createLimits, type Limits } from './limits.ts'
import { type GroundTruth, openLog } from './log.ts'
import { readPast, type Tally } from './replay.ts'
import { defaultSettings, mergeSettings, type Settings, type settingsPatch } from './settings.ts'
import { emptyWorld, mergeState, type State, targetsOf, type World } from './state.ts'
import { count, type Summary } from './summary.ts'
import type { Element } from './webhook-body.ts'
import { createWebhooks, type Webhooks } from './webhooks.ts'

/** All that an endpoint may use. */
export interface Context extends AsyncDisposable {
  settings: Settings
  world: World
  readonly log: GroundTruth
  readonly limits: Limits
  readonly tallies: Map<string, Tally>
  readonly journeys: Journeys
  readonly webhooks: Webhooks
  /** Counts as of now, with what is still under way. */
  summary(): Summary
  /** Sends an update to every app that is subscribed to its WABA. */
  emit(element: Element): void
  /** Changes the platform and keeps the change in the log. */
  changeState(patch: State): Promise<void>
  changeSettings(patch: SettingsChange): Promise<void>
  /** Drops all that is under way, counts anew, and brings all settings but the seed back to their defaults. */
  reset(forgetState: boolean): Promise<void>
  /** Resolves with true as soon as no webhook is under way, with false at the deadline. */
  idle(deadlineMs: number): Promise<boolean>
}

type SettingsChange = (typeof settingsPatch)['_output']

export interface ContextOptions {
  logFile: string
  /** Absent: the seed that the log says, or 1. */
  seed: number | undefined
  fsync: boolean
}

/** A log has one writer: two would number their lines twice, and each would send the other's webhooks again. */
function lockLog(stack: AsyncDisposableStack, logFile: string): void {
  const lock = lockFile(`${logFile}.lock`)
  if ('heldBy' in lock)
    throw new Error(
      `The log ${logFile} is written by process ${lock.heldBy}. Stop that simulator first, or name another log with --log.`,
    )
  stack.defer(() => lock.release())
}

/** Opens the log, takes up what it says was under way, and is ready for requests. */
export async function createContext(options: ContextOptions): Promise<Context> {
  await using stack = new AsyncDisposableStack()
  lockLog(stack, options.logFile)
  const past = await readPast(options.logFile)
  const { summary } = past
  const waiting = new Set<() => void>()
  const settings = () => ctx.settings
  const log = stack.use(
    openLog(options.logFile, {
      seq: summary.seq,
      fsync: options.fsync,
      onLine: (line) => count(summary, line),
    }),
  )
  const directory = {
    number: (id: string) => ctx.world.numbers.get(id),
    app: (id: string) => ctx.world.apps.get(id),
    person: personOf,
  }
  const wake = () => {
    if (pending(ctx).total === 0) for (const look of waiting) look()
  }
  const webhooks = stack.use(
    createWebhooks(settings, directory, log, { lastId: past.lastDelivery, idle: wake }),
  )
  const emit = (element: Element) => {
    const numberId =
      element.kind === 'status'
        ? element.journey.phoneNumberId
        : element.kind === 'message'
          ? element.phoneNumberId
          : undefined
    const wabaId =
      element.kind === 'event' ? element.wabaId : (ctx.world.numbers.get(numberId!)?.wabaId ?? '')
    const targets = targetsOf(ctx.world, wabaId, numberId)
    for (const { app, url } of targets) webhooks.enqueue(element, app, url)
    if (targets.length === 0) setImmediate(wake)
  }
  const journeys = stack.use(createJourneys(settings, directory.number, emit, wake))

  const ctx: Context = {
    settings: options.seed === undefined ? past.settings : { ...past.settings, seed: options.seed },
    world: past.world,
    log,
    limits: createLimits(),
    tallies: past.tallies,
    journeys,
    webhooks,
    emit,
    summary: () => ({ ...summary, pending: pending(ctx) }),
    async changeState(patch) {
      mergeState(ctx.world, patch)
      await log.append({ kind: 'state', atMs: Date.now(), patch })
    },
    async changeSettings(patch) {
      ctx.settings = mergeSettings(ctx.settings, patch)
      webhooks.wake()
      await log.append({ kind: 'settings', atMs: Date.now(), patch })
    },
    async reset(forgetState) {
      journeys.clear()
      webhooks.clear()
      ctx.limits.clear()
      ctx.settings = defaultSettings(ctx.settings.seed)
      if (forgetState) ctx.world = emptyWorld()
      wake()
      await log.append({ kind: 'reset', atMs: Date.now(), forgetState })
    },
    async idle(deadlineMs) {
      if (pending(ctx).total === 0) return true
      const { promise, resolve } = Promise.withResolvers<boolean>()
      const look = () => resolve(true)
      const timer = setTimeout(() => resolve(false), deadlineMs).unref()
      waiting.add(look)
      const idle = await promise
      clearTimeout(timer)
      waiting.delete(look)
      return idle
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
  await log.append({ kind: 'start', atMs: Date.now(), seed: options.seed })
  for (const element of past.loose.values()) emit(element)
  for (const { journey, acceptedAtMs } of new Set(past.journeys.values()))
    journeys.start(journey, acceptedAtMs)
  const owned = stack.move()
  return ctx
}

function pending(ctx: Context): Summary['pending'] {
  const { queued, deliveries } = ctx.webhooks.pending()
  const scheduled = ctx.journeys.size
  return { scheduled, queued, deliveries, total: scheduled + queued + deliveries }
}
