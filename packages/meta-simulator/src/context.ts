import { lockFile } from '@lockstep/servers'
import { personOf } from './fate.ts'
import { createJourneys, type Journeys } from './journeys.ts'
import { createLimits, type Limits } from './limits.ts'
import { type GroundTruth, openLog } from './log.ts'
import { type Past, readPast, type Tally } from './replay.ts'
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
  /** The app that asked last about a token, where the state doesn't say whose it is. */
  readonly tokenApps: Map<string, string>
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
  const idleWaits = createIdleWaits(() => pending(ctx).total === 0)
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
  const webhooks = stack.use(
    createWebhooks(settings, directory, log, { lastId: past.lastDelivery, idle: idleWaits.look }),
  )
  const emit = (element: Element) => {
    const targets = subscribersOf(ctx.world, element)
    for (const { app, url } of targets) webhooks.enqueue(element, app, url)
    if (targets.length === 0) setImmediate(idleWaits.look)
  }
  const journeys = stack.use(createJourneys(settings, directory.number, emit, idleWaits.look))

  const ctx: Context = {
    settings: options.seed === undefined ? past.settings : { ...past.settings, seed: options.seed },
    world: past.world,
    log,
    limits: createLimits(),
    tallies: past.tallies,
    tokenApps: new Map(),
    journeys,
    webhooks,
    emit,
    summary: () => ({ ...summary, pending: pending(ctx) }),
    changeState: (patch) => changeState(ctx, patch),
    changeSettings: (patch) => changeSettings(ctx, patch),
    reset: (forgetState) => reset(ctx, forgetState, idleWaits.look),
    idle: idleWaits.until,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
  await log.append({ kind: 'start', atMs: Date.now(), seed: options.seed })
  goOn(ctx, past)
  const owned = stack.move()
  return ctx
}

async function changeState(ctx: Context, patch: State): Promise<void> {
  mergeState(ctx.world, patch)
  await ctx.log.append({ kind: 'state', atMs: Date.now(), patch })
}

async function changeSettings(ctx: Context, patch: SettingsChange): Promise<void> {
  ctx.settings = mergeSettings(ctx.settings, patch)
  ctx.webhooks.wake()
  await ctx.log.append({ kind: 'settings', atMs: Date.now(), patch })
}

async function reset(ctx: Context, forgetState: boolean, onIdle: () => void): Promise<void> {
  ctx.journeys.clear()
  ctx.webhooks.clear()
  ctx.limits.clear()
  ctx.settings = defaultSettings(ctx.settings.seed)
  if (forgetState) ctx.world = emptyWorld()
  onIdle()
  await ctx.log.append({ kind: 'reset', atMs: Date.now(), forgetState })
}

/** Sends what the log says was under way. */
function goOn(ctx: Context, past: Past): void {
  for (const element of past.loose.values()) ctx.emit(element)
  for (const { journey, acceptedAtMs } of new Set(past.journeys.values()))
    ctx.journeys.start(journey, acceptedAtMs)
}

/** The callback URLs of the apps that are subscribed to the element's WABA. */
function subscribersOf(world: World, element: Element) {
  if (element.kind === 'event') return targetsOf(world, element.wabaId)
  const { phoneNumberId } = element.kind === 'status' ? element.journey : element
  return targetsOf(world, world.numbers.get(phoneNumberId)?.wabaId ?? '', phoneNumberId)
}

/** Those who wait until nothing is under way; `look` is called when that may be so. */
function createIdleWaits(isIdle: () => boolean) {
  const waiting = new Set<() => void>()
  return {
    look(): void {
      if (isIdle()) for (const resolve of waiting) resolve()
    },
    async until(deadlineMs: number): Promise<boolean> {
      if (isIdle()) return true
      const { promise, resolve } = Promise.withResolvers<boolean>()
      const onIdle = () => resolve(true)
      const timer = setTimeout(() => resolve(false), deadlineMs).unref()
      waiting.add(onIdle)
      const idle = await promise
      clearTimeout(timer)
      waiting.delete(onIdle)
      return idle
    },
  }
}

function pending(ctx: Context): Summary['pending'] {
  const { queued, deliveries } = ctx.webhooks.pending()
  const scheduled = ctx.journeys.size
  return { scheduled, queued, deliveries, total: scheduled + queued + deliveries }
}
