import type { Connection } from '@lockstep/rpc/gen/accounts'
import type { Campaign } from '../db/entities.ts'

/**
 * Why a campaign waits for a restriction of Meta's; empty when it needn't, or was resumed since,
 * for Meta may have lifted it.
 */
export function whyRestricted(
  { restrictions }: Connection,
  { resumedAt }: Pick<Campaign, 'resumedAt'>,
): string {
  const restriction = restrictions.find(({ forbids }) => forbids === 'business_initiated')
  if (!restriction || (resumedAt && resumedAt.getTime() > restriction.notedAtMs)) return ''
  const how = restriction.endsAtMs === undefined ? 'when Meta says that it is over' : 'then'
  return `Waits because ${restriction.summary} It goes on by itself ${how}. Pause and resume it to try before.`
}
