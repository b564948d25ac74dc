import { type RecipientState, recipientStates } from '@lockstep/contracts'
import type { Attempt } from '@lockstep/sending'

/** The columns of a campaign's statistics; each counts recipients. */
export const statisticsColumns = ['recipients', ...recipientStates] as const

export type Statistics = Record<(typeof statisticsColumns)[number], number>

/** What is added to the statistics of one variant of a campaign. */
export interface StatisticsDelta extends Statistics {
  campaignId: string
  variant: number
}

/** Statistics of nobody. */
export function noStatistics(): Statistics {
  return Object.fromEntries(statisticsColumns.map((column) => [column, 0])) as Statistics
}

type StatusTimes = Pick<Attempt, 'sentAt' | 'deliveredAt' | 'readAt'>
const acceptedStates: readonly RecipientState[] = ['accepted', 'sent', 'delivered', 'read']

/**
 * Adds one recipient, or takes it away. `accepted` counts those that did not fail later; sent,
 * delivered and read are cumulative.
 */
export function count(
  into: Statistics,
  state: RecipientState,
  times: StatusTimes | null,
  sign: 1 | -1,
): void {
  into.recipients += sign
  into[acceptedStates.includes(state) ? 'accepted' : state] += sign
  if (times?.readAt) into.read += sign
  if (times?.readAt || times?.deliveredAt) into.delivered += sign
  if (times?.readAt || times?.deliveredAt || times?.sentAt) into.sent += sign
}

/** What changes when messages of a campaign move from one state to another, each of a variant. */
export function stateChange(
  campaignId: string,
  variants: number[],
  from: 'queued' | 'unknown' | 'rejected',
  to: 'queued' | 'sending',
): StatisticsDelta[] {
  return [...Map.groupBy(variants, (variant) => variant)].map(([variant, { length }]) => {
    return { ...noStatistics(), campaignId, variant, [from]: -length, [to]: length }
  })
}
