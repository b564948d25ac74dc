import { failureOf } from '@lockstep/contracts'
import { sqlState, type Tx } from '@lockstep/database'
import type { FencedLock } from '@lockstep/service'
import type { Context } from '../context.ts'
import { isPreparing } from '../db/campaigns.ts'
import type { Campaign } from '../db/entities.ts'

/** Recipients that one statement takes off a list. */
export const removalPage = 5_000

/** A campaign's list that is being made, for one slice. */
export interface ListWork {
  ctx: Context
  campaign: Campaign
  lock: FencedLock
  /** By `performance.now()`. */
  endsAt: number
}

/** Writes only while the campaign is being prepared; false when it isn't, or as `write` says. */
export function whilePreparing(
  { campaign, lock }: ListWork,
  write: (tx: Tx) => Promise<boolean>,
): Promise<boolean> {
  return lock.transaction(
    campaign.accountId,
    async (tx) => (await isPreparing(tx, campaign.id)) && (await write(tx)),
  )
}

/**
 * The same would be too much again: a statement or a call ran into its bound, or a message was too
 * large.
 */
export function isTooMuch(error: unknown): boolean {
  const failure = failureOf(error)
  return failure === 'timeout' || failure === 'too_large' || sqlState(error) === '57014'
}
