import { AppError, rateLimits } from '@lockstep/contracts'

export interface SendingLimits {
  perMinute: number
  perSecond: number
}

/**
 * Messages per second that Meta allows a number, by its throughput level (meta-cloud-api.md §4,
 * "Rate and volume limits").
 */
export function maxPerSecond(throughputLevel: string): number {
  return throughputLevel === 'HIGH' ? 1_000 : 80
}

/**
 * What a new connection sends at: the cautious default of 100 a minute, until its owner raises it.
 */
export const defaultLimits: SendingLimits = {
  perMinute: rateLimits.whatsapp_api_rate_limit.limit,
  perSecond: 80,
}

/** Throws `invalid` unless the limits are positive and within what Meta allows the number. */
export function checkLimits(limits: SendingLimits, allowedPerSecond: number): void {
  const { perMinute, perSecond } = limits
  if (!(perSecond >= 1 && perSecond <= allowedPerSecond))
    throw new AppError(
      'invalid',
      `Messages per second must be from 1 to ${allowedPerSecond}, Meta's limit for this number; you asked for ${perSecond}`,
    )
  if (!(perMinute >= 1 && perMinute <= allowedPerSecond * 60))
    throw new AppError(
      'invalid',
      `Messages per minute must be from 1 to ${allowedPerSecond * 60}, Meta's limit for this number; you asked for ${perMinute}`,
    )
}
