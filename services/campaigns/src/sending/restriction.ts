import type { Connection } from '@lockstep/rpc/gen/accounts'
import type { Campaign } from '../db/entities.ts'

/**
 * Why a campaign waits because Meta lets nobody be written to first; empty when it needn't. A
 * resume since the restriction became known counts more: Meta may have lifted it without saying so.
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
