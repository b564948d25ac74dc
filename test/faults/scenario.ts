import type { ServiceName } from '@lockstep/contracts'
import { until } from '@lockstep/testing'
import type { FaultRun, FaultSetup } from './run.ts'

/** How much of a scenario is run: all of it, or what fits into every `npm test`. */
export type Size = 'short' | 'full'

export interface FaultScenario extends FaultSetup {
  name: string
  /** What it shows. */
  guarantee: string
  run(run: FaultRun, size: Size): Promise<void>
}

/** Marks of progress, ascending: one in each of so many equal parts of the first three quarters. */
export function marks(run: FaultRun, count: number, total: number): number[] {
  const part = (total * 0.75) / count
  return Array.from({ length: count }, (_, i) =>
    run.dice(Math.ceil(part * i) + 1, Math.floor(part * (i + 1))),
  )
}

/** Waits for a mark of a campaign's progress; throws when the campaign was over before anything could be done to it. */
export async function untilAccepted(
  run: FaultRun,
  campaignId: string,
  mark: number,
  total: number,
): Promise<void> {
  const at = await untilAtLeast(() => run.accepted(campaignId), mark).catch(
    async (cause: Error) => {
      const { state, reason, statistics } = await run.system.campaign(run.tenant, campaignId)
      throw new Error(
        `${cause.message}; the campaign is ${state}: ${reason} ${JSON.stringify(statistics)}`,
        { cause },
      )
    },
  )
  if (at >= total) throw new Error('The campaign was over before anything could be done to it')
  run.note(`${at} of ${total} accepted`)
}

/** Kills and restarts services in turn, so many rounds, at marks of a campaign's progress. */
export async function killInTurn(
  run: FaultRun,
  services: readonly ServiceName[],
  { id, total, rounds }: { id: string; total: number; rounds: number },
): Promise<void> {
  const victims = Array.from({ length: rounds }, () => services).flat()
  for (const [i, mark] of marks(run, victims.length, total).entries()) {
    await untilAccepted(run, id, mark, total)
    await run.killAndRestart(victims[i]!)
  }
}

/** Waits until a number has passed a mark. */
export async function untilAtLeast(
  read: () => Promise<number>,
  mark: number,
  timeoutMs = 60_000,
): Promise<number> {
  return until(async () => {
    const value = await read()
    if (value < mark) throw new Error(`${value} is less than ${mark}`)
    return value
  }, timeoutMs)
}

/** Waits until attempts that were claimed after a time hang between their claim and their outcome. */
export async function untilHanging(
  run: FaultRun,
  campaignId: string,
  claimedAfter = '-infinity',
): Promise<void> {
  const hanging = `select from campaigns.attempts where campaign_id = $1 and outcome = 'sending'
    and claimed_at > $2::timestamptz and claimed_at < clock_timestamp() - interval '300 milliseconds'`
  await until(
    async () => (await run.system.world.sql(hanging, [campaignId, claimedAfter])).length > 0,
    30_000,
  )
}

/** Carries an order out, however often the service has to be asked; a conflict means that it is in no state for it. */
export async function order(run: FaultRun, give: () => Promise<unknown>): Promise<void> {
  await until(async () => {
    try {
      await give()
    } catch (error) {
      if ((error as { failure?: string }).failure !== 'conflict') throw error
    }
    return true
  }, 30_000)
  run.tally.orders++
}

/** A campaign's state, however often the service has to be asked. */
export async function stateOf(run: FaultRun, id: string): Promise<string> {
  return (await until(() => run.system.clients.campaigns.getCampaign({ id }, run.tenant), 30_000))
    .state
}
