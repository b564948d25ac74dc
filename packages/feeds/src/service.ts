import { AppError, type LaneName, laneSettings, lanes, workersOf } from '@lockstep/contracts'
import { type BoundService, bind, type Call, type MethodsOf } from '@lockstep/rpc'
import { FeedDefinition, type TakeRequest } from '@lockstep/rpc/gen/feed'
import type { FeedContext } from './context.ts'
import { dismissDead, listDead, replayDead } from './dead-entries.ts'
import { entryToProto, settlementFromProto } from './proto.ts'
import type { FeedOptions, FeedSource } from './source.ts'
import { wakeDue } from './sweeper.ts'
import type { TakeOptions } from './take.ts'

const maxListed = 1_000
/** So many entries are named in the line of the log that says what became of them. */
const maxLogged = 100

/** Serves this service's feed to the workers of its lanes, and what is dead to an operator. */
export function feedService(
  ctx: FeedContext,
  source: FeedSource,
  options: FeedOptions = {},
): BoundService {
  const workers = workersOf(ctx.config.service)
  const methods = { ...workerMethods(ctx, source), ...operatorMethods(ctx, options) }
  return bind(FeedDefinition, ctx, methods, {
    callers: {
      take: workers,
      settle: workers,
      wake: workers,
      listDead: ['operator'],
      replay: ['operator'],
      dismiss: ['operator'],
    },
    acrossAccounts: ['take', 'settle', 'wake', 'listDead', 'replay', 'dismiss'],
  })
}

type Methods = MethodsOf<typeof FeedDefinition, FeedContext>

function workerMethods(
  ctx: FeedContext,
  source: FeedSource,
): Pick<Methods, 'take' | 'settle' | 'wake'> {
  return {
    take: async (_ctx, request, call) => {
      requireWorker(call, request.lane)
      const { entries, more, nextDueMs } = await source.take(takeOptionsOf(request))
      return { entries: entries.map(entryToProto), more, nextDueMs: nextDueMs ?? undefined }
    },
    settle: async (_ctx, request, call) => {
      requireWorker(call, request.lane)
      await source.settle(laneOf(request.lane), request.settlements.flatMap(settlementFromProto))
      return {}
    },
    wake: async (_ctx, request, call) => {
      requireWorker(call, request.lane)
      return { partitions: await wakeDue(ctx, laneOf(request.lane), call.signal) }
    },
  }
}

function operatorMethods(
  ctx: FeedContext,
  { onReplay, onDismiss }: FeedOptions,
): Pick<Methods, 'listDead' | 'replay' | 'dismiss'> {
  return {
    listDead: async (_ctx, request) => {
      const limit = Math.min(request.limit || 100, maxListed)
      const dead = await ctx.db.system((tx) => listDead(tx, request.lane, limit))
      return {
        entries: dead.map(({ entry, ...rest }) => ({ entry: entryToProto(entry), ...rest })),
      }
    },
    replay: async (_ctx, { lane, ids }) => {
      const reopened = await ctx.db.system(async (tx) => {
        const rows = await replayDead(tx, lane, ids)
        await onReplay?.(tx, rows)
        return rows
      })
      for (const entry of reopened) ctx.messaging.wake(entry.lane, entry.key)
      const entries = reopened.slice(0, maxLogged)
      if (entries.length > 0) ctx.log.info({ lane, entries }, 'dead entries are open again')
      return { replayed: reopened.length }
    },
    dismiss: async (_ctx, request) => {
      const lane = laneOf(request.lane)
      const ids = namedIds(request.ids)
      const dismissed = await ctx.db.system(async (tx) => {
        const rows = await dismissDead(tx, lane, ids)
        await onDismiss?.(tx, rows, lane)
        return rows
      })
      const entries = dismissed.slice(0, maxLogged)
      if (entries.length > 0) ctx.log.warn({ lane, entries }, 'dead entries are dismissed')
      return { dismissed: dismissed.length }
    },
  }
}

/** A worker has no business in another's lane; without certificates nobody knows who it is. */
function requireWorker({ caller }: Call, lane: string): void {
  if (!caller || lanes[laneOf(lane)].worker === caller) return
  throw new AppError('forbidden', `${caller} is not the worker of lane ${lane}`)
}

/** What a request asks for, never more than a lane's usual. */
function takeOptionsOf({
  lane,
  partitions,
  exceptKeys,
  exceptAccounts,
  maxEntries,
  maxBytes,
  maxKeys,
}: TakeRequest): TakeOptions {
  const atMost = (asked: number, usual: number) => Math.min(asked || usual, usual)
  const known = laneOf(lane)
  const wrong = partitions.find(
    (partition) => !(partition >= 0 && partition < lanes[known].partitions),
  )
  if (wrong !== undefined) throw new AppError('invalid', `Lane ${lane} has no partition ${wrong}`)
  return {
    lane: known,
    partitions,
    exceptKeys,
    exceptAccounts,
    maxEntries: atMost(maxEntries, laneSettings.takeEntries),
    maxBytes: atMost(maxBytes, laneSettings.takeBytes),
    maxKeys: atMost(maxKeys, laneSettings.takeKeys),
  }
}

/** Nothing is given up that was not named. */
function namedIds(ids: string[]): string[] {
  if (ids.length === 0 || ids.length > maxListed)
    throw new AppError('invalid', `Name the entries to dismiss by id, at most ${maxListed}`)
  const wrong = ids.find((id) => !/^\d{1,18}$/.test(id))
  if (wrong !== undefined) throw new AppError('invalid', `"${wrong.slice(0, 64)}" is no entry's id`)
  return ids
}

function laneOf(name: string): LaneName {
  if (!Object.hasOwn(lanes, name))
    throw new AppError('invalid', `There is no lane "${name.slice(0, 64)}"`)
  return name as LaneName
}
