import type { Database } from '@lockstep/database'
import { gauge } from '@lockstep/telemetry'
import { tokenFigures } from './db/token-checks.ts'

/** When the next access token ends, and how many Meta takes no longer, at /metrics. */
export function measureTokens({ db, now }: { db: Database; now: () => number }): Disposable {
  const stack = new DisposableStack()
  const soonest = async () => {
    const { soonestEnd } = await tokenFigures(db)
    return soonestEnd ? [{ value: (soonestEnd.getTime() - now()) / 1_000 }] : []
  }
  stack.use(
    gauge(
      'lockstep_token_soonest_end_seconds',
      'Until the first access token of a connected number ends; negative once it is over',
      soonest,
    ),
  )
  stack.use(
    gauge('lockstep_tokens_invalid', 'Access tokens that Meta takes no longer', async () => [
      { value: (await tokenFigures(db)).invalid },
    ]),
  )
  return stack
}
