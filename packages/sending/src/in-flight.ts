import { shares } from '@lockstep/contracts'
import { gauge } from '@lockstep/telemetry'

/** Where a claimed message stands: `waiting` is for the slot that it has. */
const phases = ['checking', 'opening', 'booking', 'waiting', 'posting'] as const
export type Phase = (typeof phases)[number]

/** An owner's claimed messages whose outcome is not written yet, those of earlier slices among them. */
export interface Flight {
  readonly size: number
  /** How many stand in a phase; a message whose outcome is being written stands in none. */
  readonly in: Record<Phase, number>
  /** How long the last message stood in a phase, ms. */
  readonly lastMs: Record<Phase, number>
  /** Aborts when what has no slot yet is to be given back. */
  readonly stop: AbortController
  add(delivery: Promise<void>): void
  /** Tells those who wait for `next` that messages have moved on. */
  changed(): void
  /** Resolves when messages have moved on or one has its outcome. */
  next(): Promise<void>
  all(): Promise<void>
}

/** What all owners of a process have under way; each account has its share of the connections to Meta. */
export interface InFlight {
  flight(accountId: string, ownerId: string): Flight
  /** How many more messages an owner may have under way. */
  room(accountId: string, ownerId: string): number
  /** Gives back what has no slot yet, and waits for the others. */
  drain(): Promise<void>
}

interface OwnFlight extends Flight {
  accountId: string
  ownerId: string
}

export interface InFlightOptions {
  /** Connections to Meta, of all owners together: more messages than these are never under way. */
  maxSockets: number
  /** The most that one owner may have under way. */
  maxOfOwner: number
}

export function createInFlight({ maxSockets, maxOfOwner }: InFlightOptions): InFlight & Disposable {
  const flights = new Set<OwnFlight>()
  const maxOfAccount = Math.max(1, Math.floor(maxSockets * shares.graph_sockets.limit))
  const measured = gauge(
    'lockstep_send_in_flight',
    'Claimed messages whose outcome is not written yet, by where they stand',
    () =>
      phases.map((phase) => ({
        value: sum(flights, (flight) => flight.in[phase]),
        labels: { phase },
      })),
  )

  function open(accountId: string, ownerId: string): OwnFlight {
    const deliveries = new Set<Promise<void>>()
    let change = Promise.withResolvers<void>()
    const changed = () => {
      change.resolve()
      change = Promise.withResolvers()
    }
    return {
      accountId,
      ownerId,
      in: noMessages(),
      lastMs: noMessages(),
      stop: new AbortController(),
      get size() {
        return deliveries.size
      },
      add(delivery) {
        flights.add(this)
        deliveries.add(delivery)
        void delivery.finally(() => {
          deliveries.delete(delivery)
          if (deliveries.size === 0) flights.delete(this)
          changed()
        })
      },
      changed,
      next: () => change.promise,
      all: async () => void (await Promise.all(deliveries)),
    }
  }

  return {
    flight(accountId, ownerId) {
      const known = [...flights].find(
        (flight) => flight.ownerId === ownerId && !flight.stop.signal.aborted,
      )
      return known ?? open(accountId, ownerId)
    },
    room(accountId, ownerId) {
      const used = { owner: 0, account: 0, all: 0 }
      for (const flight of flights) {
        used.all += flight.size
        if (flight.accountId === accountId) used.account += flight.size
        if (flight.ownerId === ownerId) used.owner += flight.size
      }
      return Math.max(
        0,
        Math.min(maxOfOwner - used.owner, maxOfAccount - used.account, maxSockets - used.all),
      )
    },
    async drain() {
      const all = [...flights]
      for (const { stop } of all) stop.abort()
      await Promise.all(all.map((flight) => flight.all()))
    },
    [Symbol.dispose]: () => measured[Symbol.dispose](),
  }
}

const noMessages = (): Record<Phase, number> => ({
  checking: 0,
  opening: 0,
  booking: 0,
  waiting: 0,
  posting: 0,
})

function sum<Item>(items: Iterable<Item>, of: (item: Item) => number): number {
  let total = 0
  for (const item of items) total += of(item)
  return total
}
