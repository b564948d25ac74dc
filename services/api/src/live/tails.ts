import { failureOf, events as subjects } from '@lockstep/contracts'
import type { Peers } from '@lockstep/rpc'
import type { BaseContext } from '@lockstep/service'
import { openTail, type Tail } from './tail.ts'

/** The newest events of the accounts that are followed in this process, read once for all. */
export interface Tails extends AsyncDisposable {
  /** Of an account whose last known event is `lastId`; kept until as many have left it. */
  join(accountId: string, lastId: number): Tail & Disposable
}

interface Needs extends Pick<BaseContext, 'log' | 'messaging'> {
  peers: Peers<'events'>
  times: { readTailsEveryMs: number; gatherWakeUpsMs: number }
}

/** Accounts of one call. */
const page = 100

/** A wake-up that is lost costs `readTailsEveryMs`: what is read are rows. */
export function openTails({ log, messaging, peers, times }: Needs): Tails {
  const tails = new Map<string, { tail: Tail; followers: number }>()
  const due = new Set<string>()
  let timer: NodeJS.Timeout | undefined
  let reading: Promise<void> | undefined

  /** Adds what is new of accounts; what is too much for one answer is halved. */
  async function read(accountIds: string[]): Promise<void> {
    try {
      await readOnce(accountIds)
    } catch (error) {
      if (accountIds.length === 1 || failureOf(error) !== 'too_large') throw error
      const half = Math.ceil(accountIds.length / 2)
      await read(accountIds.slice(0, half))
      await read(accountIds.slice(half))
    }
  }

  async function readOnce(accountIds: string[]): Promise<void> {
    const positions = accountIds.flatMap((accountId) => {
      const lastId = tails.get(accountId)?.tail.lastId()
      return lastId === undefined ? [] : [{ accountId, after: String(lastId) }]
    })
    if (positions.length === 0) return
    const { accounts } = await peers.events.readNewEvents({ positions }, {})
    for (const { accountId, events } of accounts) {
      tails.get(accountId)?.tail.add(events)
      due.add(accountId) // there may be more
    }
  }

  async function readDue(): Promise<void> {
    while (due.size > 0) {
      const accountIds = [...due].slice(0, page)
      for (const id of accountIds) due.delete(id)
      await read(accountIds)
    }
  }

  function start(): void {
    timer = undefined
    reading ??= readDue()
      .catch((err) => log.warn({ err }, 'New events could not be read yet'))
      .finally(() => {
        reading = undefined
      })
  }

  const every = setInterval(() => {
    for (const id of tails.keys()) due.add(id)
    start()
  }, times.readTailsEveryMs)
  const wakeUps = messaging.subscribeEvent(subjects.eventsRecorded, (accountIds) => {
    for (const id of accountIds as string[]) if (tails.has(id)) due.add(id)
    if (due.size > 0) timer ??= setTimeout(start, times.gatherWakeUpsMs)
  })

  return {
    join(accountId, lastId) {
      const followed = tails.get(accountId) ?? { tail: openTail(lastId), followers: 0 }
      tails.set(accountId, followed)
      followed.followers++
      return {
        ...followed.tail,
        [Symbol.dispose]() {
          if (--followed.followers === 0) tails.delete(accountId)
        },
      }
    },
    async [Symbol.asyncDispose]() {
      wakeUps[Symbol.dispose]()
      clearInterval(every)
      clearTimeout(timer)
      due.clear()
      await reading
    },
  }
}
