import { AppError, type LaneName, laneSettings, lanes, workersOf } from '@lockstep/contracts'
import type { Tx } from '@lockstep/database'
import { type BoundService, bind, type Call, type MethodsOf } from '@lockstep/rpc'
import { FeedDefinition, type TakeRequest } from '@lockstep/rpc/gen/feed'
import type { FeedContext } from './context.ts'
import {
  type DismissedEntry,
  dismissDead,
  listDead,
  listOwnDead,
  type ReopenedEntry,
  replayDead,
} from './dead-entries.ts'
import { entryToProto, settlementFromProto } from './proto.ts'
import type { FeedOptions, FeedSource } from './source.ts'
import { wakeDue } from './sweeper.ts'
import type { TakeOptions } from './take.ts'

const maxListed = 1_000
/** So many entries are named in the line of the log that says what became of them. */
const maxLogged = 100

/** Serves this service's feed to the workers of its lanes, and what is dead to an operator and to its account. */
export function feedService(
  ctx: FeedContext,
  source: FeedSource,
  options: FeedOptions = {},
): BoundService {
  const workers = workersOf(ctx.config.service)
  const methods = {
    ...workerMethods(ctx, source),
    ...operatorMethods(ctx, options),
    ...ownMethods(ctx, options),
  }
  return bind(FeedDefinition, ctx, methods, {
    callers: {
      take: workers,
      settle: workers,
      wake: workers,
      listDead: ['operator'],
      replay: ['operator'],
      dismiss: ['operator'],
      listOwnDead: ['api'],
      replayOwn: ['api'],
      dismissOwn: ['api'],
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
  options: FeedOptions,
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
      const work = (tx: Tx) => reopen(tx, options, { lane, ids })
      return { replayed: told(ctx, lane, await ctx.db.system(work)) }
    },
    dismiss: async (_ctx, request) => {
      const asked = { lane: laneOf(request.lane), ids: namedIds(request.ids) }
      const gone = await ctx.db.system((tx) => giveUp(tx, options, asked))
      return { dismissed: toldGone(ctx, asked.lane, gone) }
    },
  }
}

/** The same for who has the entries: what is another's is passed over, as if it were not there. */
function ownMethods(
  ctx: FeedContext,
  options: FeedOptions,
): Pick<Methods, 'listOwnDead' | 'replayOwn' | 'dismissOwn'> {
  const askedOf = (request: { lane: string; ids: string[] }, { accountId }: Call) => ({
    ...{ lane: laneOf(request.lane), ids: namedIds(request.ids), accountId: accountId! },
  })
  return {
    listOwnDead: async (_ctx, { lane, beforeId, limit }, { accountId }) => {
      if (lane) laneOf(lane)
      const page = { lane, beforeId: beforeId && namedIds([beforeId])[0]! }
      const most = Math.min(limit || 100, maxListed)
      const dead = await ctx.db.transaction(accountId!, (tx) =>
        listOwnDead(tx, accountId!, { ...page, limit: most }),
      )
      const entries = dead.map(({ createdAt, deadAt, ...rest }) => ({
        ...rest,
        createdAtMs: createdAt.getTime(),
        deadAtMs: deadAt.getTime(),
      }))
      return { entries }
    },
    replayOwn: async (_ctx, request, call) => {
      const asked = askedOf(request, call)
      const work = (tx: Tx) => reopen(tx, options, asked)
      return { replayed: told(ctx, asked.lane, await ctx.db.transaction(asked.accountId, work)) }
    },
    dismissOwn: async (_ctx, request, call) => {
      const asked = askedOf(request, call)
      const work = (tx: Tx) => giveUp(tx, options, asked)
      const gone = await ctx.db.transaction(asked.accountId, work)
      return { dismissed: toldGone(ctx, asked.lane, gone) }
    },
  }
}

interface DeadAsked<Lane extends string> {
  lane: Lane
  ids: string[]
  /** Of this account only. */
  accountId?: string
}

async function reopen(
  tx: Tx,
  { onReplay }: FeedOptions,
  { lane, ids, accountId }: DeadAsked<string>,
): Promise<ReopenedEntry[]> {
  const rows = await replayDead(tx, lane, ids, accountId)
  await onReplay?.(tx, rows)
  return rows
}

async function giveUp(
  tx: Tx,
  { onDismiss }: FeedOptions,
  { lane, ids, accountId }: DeadAsked<LaneName>,
): Promise<DismissedEntry[]> {
  const rows = await dismissDead(tx, lane, ids, accountId)
  await onDismiss?.(tx, rows, lane)
  return rows
}

/** Wakes the workers of entries that are open again; answers how many there are. */
function told(ctx: FeedContext, lane: string, reopened: ReopenedEntry[]): number {
  for (const entry of reopened) ctx.messaging.wake(entry.lane, entry.key)
  const entries = reopened.slice(0, maxLogged)
  if (entries.length > 0) ctx.log.info({ lane, entries }, 'dead entries are open again')
  return reopened.length
}

function toldGone(ctx: FeedContext, lane: string, dismissed: DismissedEntry[]): number {
  const entries = dismissed.slice(0, maxLogged)
  if (entries.length > 0) ctx.log.warn({ lane, entries }, 'dead entries are dismissed')
  return dismissed.length
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
