import { AppError, shares } from '@lockstep/contracts'

/** Lets each account hold a part of the pool only; those who come later wait in order. */
export interface AccountShare {
  /** Runs work in one of the account's places; a signal ends the waiting with its reason. */
  run<T>(accountId: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T>
}

/** As long as the pool lets others wait for a connection. */
export const maxWaitMs = 10_000

interface Account {
  running: number
  waiting: Set<() => void>
}

export function accountShare(poolSize: number): AccountShare {
  const places = Math.max(1, Math.floor(poolSize * shares.pool_places.limit))
  const accounts = new Map<string, Account>()

  async function enter(account: Account, signal: AbortSignal | undefined): Promise<void> {
    if (account.running < places) {
      account.running++
      return
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const end = (reason: unknown) => {
      account.waiting.delete(resolve) // at once: a place given to one who has left would be lost
      reject(reason)
    }
    const giveUp = () => end(signal?.reason)
    const timer = setTimeout(() => end(tooLong(places)), maxWaitMs)
    signal?.addEventListener('abort', giveUp)
    account.waiting.add(resolve)
    try {
      await promise // a place that is given over stays counted
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', giveUp)
    }
  }

  function leave(accountId: string, account: Account): void {
    const [next] = account.waiting
    if (next) {
      account.waiting.delete(next)
      next()
    } else if (--account.running === 0) accounts.delete(accountId)
  }

  return {
    async run(accountId, work, signal) {
      signal?.throwIfAborted()
      const account = accounts.get(accountId) ?? { running: 0, waiting: new Set() }
      accounts.set(accountId, account)
      await enter(account, signal)
      try {
        return await work()
      } finally {
        leave(accountId, account)
      }
    },
  }
}

const tooLong = (places: number): AppError =>
  new AppError(
    'busy',
    `Other work of this account has used the ${places} database connections that it may for ${maxWaitMs / 1000} s; try again`,
  )
