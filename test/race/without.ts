import { type LaneName, type LockName, locks as lockTable, partitionOf } from '@lockstep/contracts'
import { type Database, sqlState, type Tx } from '@lockstep/database'
import type { Limiter, Lock, Locks } from '@lockstep/locks'
import type { LaneListener, Messaging } from '@lockstep/messaging'
import type { BaseOverrides, Guards } from '@lockstep/service'
import { createTokens, type TokenKind, type Tokens } from '@lockstep/whatsapp'

/** A change of a statement on its way to PostgreSQL: in statements that hold a text, a pattern gives way to another text. */
export interface Mutation {
  /** Text that the statement holds, across its parameters. */
  in: string
  /** Source of a regular expression; it must match inside one piece of the statement, between two parameters. */
  replace: string
  by: string
}

/** What is taken away from a process. */
export interface Taken {
  /** Locks that everybody is granted, without asking Redis. */
  locks: LockName[]
  /** Lanes on which each process works whenever it hears of a key, whoever else does. */
  lanes: LaneName[]
  /** Clauses that statements lose. */
  statements: Mutation[]
  /** Whether a person may be written to again at once. */
  pairLimit: boolean
  /** Whether a token is believed whatever its tag is. */
  tokenTag: boolean
}

export const nothingTaken: Taken = {
  locks: [],
  lanes: [],
  statements: [],
  pairLimit: false,
  tokenTag: false,
}

/** The guards of one process, each of which can be taken away and given back while it runs. */
export interface Removable {
  /** For the services. */
  overrides: Required<Pick<BaseOverrides, 'around' | 'tokens'>>
  take(taken: Taken): void
  /** Works on a key of a lane now: through the lane, or at once where the lane is taken away. */
  go(lane: LaneName, key: string): void
  isIdle(): boolean
  /** How often each mutation has changed a statement since it was taken. */
  bites(): number[]
  /** How many transactions PostgreSQL has ended as deadlocked since guards were taken. */
  deadlocks(): number
}

export function removableGuards(platformKey: Buffer): Removable {
  const state = { taken: nothingTaken, bites: [] as number[], deadlocks: 0 }
  const lanes = ungovernedLanes((lane) => state.taken.lanes.includes(lane))
  const isTaken = (name: LockName) => state.taken.locks.includes(name)
  const around = ({ db, locks, limiter, messaging }: Guards): Guards => ({
    db: mutated(db, state),
    locks: grantingLocks(locks, isTaken),
    limiter: unpairedLimiter(limiter, () => state.taken.pairLimit),
    messaging: lanes.around(messaging),
  })
  return {
    overrides: {
      around,
      tokens: credulousTokens(createTokens(platformKey), () => state.taken.tokenTag),
    },
    take(taken) {
      state.taken = taken
      state.bites = taken.statements.map(() => 0)
      state.deadlocks = 0
    },
    go: lanes.go,
    isIdle: lanes.isIdle,
    bites: () => state.bites,
    deadlocks: () => state.deadlocks,
  }
}

/** Tokens whose tag nobody looks at: what they name is believed. */
function credulousTokens(tokens: Tokens, isTaken: () => boolean): Tokens {
  const believe = (token: unknown) => {
    const [version, kind, ownerId, attemptId] = String(token).split('.')
    return version === 'lk1' && ownerId && attemptId
      ? { kind: kind as TokenKind, ownerId, attemptId }
      : null
  }
  return {
    ...tokens,
    read: (token, phoneNumberId) =>
      isTaken() ? believe(token) : tokens.read(token, phoneNumberId),
  }
}

/** A limiter by which everybody may be written to at once. */
function unpairedLimiter(limiter: Limiter, isTaken: () => boolean): Limiter {
  return {
    ...limiter,
    takePair: async (id, people) =>
      isTaken() ? people.map(() => null) : limiter.takePair(id, people),
  }
}

/** Locks of which some are granted to everybody. */
function grantingLocks(locks: Locks, isTaken: (name: LockName) => boolean): Locks {
  const holdAll: Locks['holdAll'] = async (keys, options) => {
    const guarded = keys.filter(({ name }) => !isTaken(name))
    return guarded.length > 0 || keys.length === 0
      ? locks.holdAll(guarded, options)
      : granted(keys.map(({ name, id }) => lockTable[name].key(id)))
  }
  return {
    ...locks,
    holdAll,
    hold: (name, id, options) => holdAll([{ name, id }], options),
    tryHold: async (name, id) =>
      isTaken(name) ? granted([lockTable[name].key(id)]) : locks.tryHold(name, id),
  }
}

function granted(keys: string[]): Lock {
  const release = async () => {}
  return {
    keys,
    owner: 'everybody',
    signal: new AbortController().signal,
    assertHeld() {},
    release,
    [Symbol.asyncDispose]: release,
  }
}

/**
 * Lanes that deliver nothing while they are taken away: then a process holds the partition of each key that it hears of, from
 * the moment when it was told to go, so that all begin at once.
 */
function ungovernedLanes(isTaken: (lane: LaneName) => boolean) {
  const listeners = new Map<LaneName, LaneListener>()
  const holds = ungovernedHolds()
  let messaging: Messaging | undefined

  const wake = (real: Messaging, lane: LaneName, partition: number) => {
    const listener = listeners.get(lane)
    if (isTaken(lane) && listener) holds.hold(lane, partition, listener)
    else real.wakePartition(lane, partition)
  }
  return {
    go(lane: LaneName, key: string) {
      const partition = partitionOf(lane, key)
      holds.allow(lane, partition)
      wake(messaging!, lane, partition)
    },
    isIdle: holds.isIdle,
    around(real: Messaging): Messaging {
      messaging ??= real
      return {
        ...real,
        wake: (lane, key) => wake(real, lane, partitionOf(lane, key)),
        wakePartition: (lane, partition) => wake(real, lane, partition),
        consumeLane(lane, listener, options) {
          listeners.set(lane, listener)
          const governed: LaneListener = {
            onAssigned: (held) => void (isTaken(lane) ? held.release() : listener.onAssigned(held)),
            onWakeUp: (partition) => isTaken(lane) || listener.onWakeUp(partition),
          }
          return real.consumeLane(lane, governed, options)
        },
      }
    },
  }
}

/** Partitions that this process holds as its lane would have it, but every process for itself. */
function ungovernedHolds() {
  const underWay = new Set<string>()
  const allowed = new Set<string>()
  const lease = { signal: new AbortController().signal, isHeld: () => true }
  return {
    allow: (lane: LaneName, partition: number) => void allowed.add(`${lane} ${partition}`),
    hold(lane: LaneName, partition: number, listener: LaneListener): void {
      const id = `${lane} ${partition}`
      if (!allowed.has(id)) return
      if (underWay.has(id)) listener.onWakeUp(partition)
      else {
        underWay.add(id)
        listener.onAssigned({
          partition,
          lease,
          header: () => undefined,
          release: () => underWay.delete(id),
        })
      }
    },
    isIdle: () => underWay.size === 0,
  }
}

type Plugin = Parameters<Tx['sql']['withPlugin']>[0]
type Node = Parameters<Plugin['transformQuery']>[0]['node']
interface RawNode {
  kind: 'RawNode'
  sqlFragments: readonly string[]
  parameters: readonly unknown[]
}
const isRaw = (node: unknown): node is RawNode =>
  (node as { kind?: string } | null)?.kind === 'RawNode'

interface MutationState {
  taken: Taken
  bites: number[]
  deadlocks: number
}

/** A database whose statements lose clauses on their way. It counts the deadlocks that it meets. */
function mutated(db: Database, state: MutationState): Database {
  const plugin: Plugin = {
    transformQuery: ({ node }) => mutate(node, state) as Node as never,
    transformResult: async ({ result }) => result,
  }
  const around = <T>(work: (tx: Tx) => Promise<T>) => {
    return (tx: Tx) =>
      work(
        state.taken.statements.length > 0 ? { ...tx, sql: tx.sql.withPlugin(plugin) } : tx,
      ).catch((error) => {
        if (sqlState(error) === '40P01') state.deadlocks++
        throw error
      })
  }
  return {
    ...db,
    transaction: (accountId, work, options) => db.transaction(accountId, around(work), options),
    system: (work, options) => db.system(around(work), options),
  }
}

function mutate(node: unknown, { taken, bites }: MutationState): unknown {
  if (!isRaw(node)) return node
  const text = textOf(node)
  let result = node
  for (const [i, { in: part, replace, by }] of taken.statements.entries()) {
    if (!text.includes(part)) continue
    const changed = replaced(result, new RegExp(replace, 'gs'), by)
    if (textOf(changed) === textOf(result)) continue
    bites[i]!++
    result = changed
  }
  return result
}

function textOf(node: RawNode): string {
  return node.sqlFragments
    .map((fragment, i) => fragment + (isRaw(node.parameters[i]) ? textOf(node.parameters[i]) : ''))
    .join('')
}

function replaced(node: RawNode, pattern: RegExp, by: string): RawNode {
  const parameters = node.parameters.map((parameter) =>
    isRaw(parameter) ? replaced(parameter, pattern, by) : parameter,
  )
  return {
    ...node,
    sqlFragments: node.sqlFragments.map((fragment) => fragment.replace(pattern, by)),
    parameters,
  }
}
