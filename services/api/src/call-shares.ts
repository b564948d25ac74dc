import { AppError, shares } from '@lockstep/contracts'
import { counter } from '@lockstep/telemetry'

/** How many requests of each account are under way in this process. */
export interface CallShares {
  /** Counts one until the answer is called, once. Throws `throttled` over the account's share. */
  begin(accountId: string): () => void
}

const refused = counter(
  'lockstep_api_over_share_total',
  'Requests that were refused because their account had its share under way',
)

export function countCalls(): CallShares {
  const underWay = new Map<string, number>()
  return {
    begin(accountId) {
      const count = (underWay.get(accountId) ?? 0) + 1
      if (count > shares.api_calls.limit) {
        refused(1)
        throw new AppError(
          'throttled',
          `${shares.api_calls.limit} requests of your account are under way; send this one again once they are answered`,
        )
      }
      underWay.set(accountId, count)
      return () => {
        const left = underWay.get(accountId)! - 1
        if (left === 0) underWay.delete(accountId)
        else underWay.set(accountId, left)
      }
    },
  }
}
