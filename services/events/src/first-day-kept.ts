import type { Context } from './context.ts'

export const dayMs = 86_400_000

/** The beginning of the first day whose events are kept. */
export function firstDayKept({ config, now }: Pick<Context, 'config' | 'now'>): Date {
  return new Date(Math.floor(now() / dayMs) * dayMs - config.eventRetentionDays * dayMs)
}
