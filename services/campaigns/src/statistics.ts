import type { Attempt, RecipientState } from '@lockstep/sending'

/** The columns of a campaign's statistics; each counts recipients. */
export const statisticsColumns = [
  'recipients',
  'queued',
  'sending',
  'accepted',
  'sent',
  'delivered',
  'read',
  'failed',
  'rejected',
  'skipped',
  'unknown',
] as const

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

type Facts = Pick<Attempt, 'sentAt' | 'deliveredAt' | 'readAt'>
const reached: readonly RecipientState[] = ['accepted', 'sent', 'delivered', 'read']
const own: readonly RecipientState[] = [
  'queued',
  'sending',
  'failed',
  'rejected',
  'skipped',
  'unknown',
]

/**
 * Adds one recipient to statistics (`sign` −1 takes it away). accepted = accepted by Meta and not failed later; sent,
 * delivered and read are cumulative: a read message was delivered, a delivered one was sent.
 */
export function count(
  into: Statistics,
  state: RecipientState,
  facts: Facts | null,
  sign: 1 | -1,
): void {
  into.recipients += sign
  if (reached.includes(state)) into.accepted += sign
  if (own.includes(state)) into[state as 'queued'] += sign
  if (facts?.readAt) into.read += sign
  if (facts?.readAt || facts?.deliveredAt) into.delivered += sign
  if (facts?.readAt || facts?.deliveredAt || facts?.sentAt) into.sent += sign
}

/** What changes when messages of a campaign move from one state to another, each of a variant. */
export function moved(
  campaignId: string,
  variants: number[],
  from: 'queued' | 'unknown' | 'rejected',
  to: 'queued' | 'sending',
): StatisticsDelta[] {
  return [...Map.groupBy(variants, (variant) => variant)].map(([variant, { length }]) => {
    return { ...noStatistics(), campaignId, variant, [from]: -length, [to]: length }
  })
}
