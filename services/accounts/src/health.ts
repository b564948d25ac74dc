import type { Hold, Holds } from './account-news.ts'
import type { RestrictionRow } from './db/restrictions.ts'
import { restrictionWords, touchesMessaging } from './restrictions.ts'

/**
 * What a connection can do by Meta's word, with the restrictions that hold now: a ban outweighs a restriction, and only those that
 * touch messaging count.
 */
export function healthOf(
  { standing, review, access }: Holds,
  restrictions: RestrictionRow[],
): { health: 'ok' | Hold['health']; words: string } {
  const holds = [standing, review, access].filter((hold) => hold != null)
  const disabled = holds.find(({ health }) => health === 'disabled')
  if (disabled) return disabled
  const messaging = restrictions.filter(({ type }) => touchesMessaging(type))
  const words = [
    ...holds.map((hold) => hold.words),
    ...(messaging.length > 0 ? [restrictedWords(messaging)] : []),
  ]
  return words.length > 0
    ? { health: 'restricted', words: words.join(' ') }
    : { health: 'ok', words: '' }
}

/** Restrictions of a number in one sentence, with what Meta says to do about them. */
export function restrictedWords(restrictions: RestrictionRow[]): string {
  const clauses = restrictions.map(({ type, endsAt }) =>
    restrictionWords({ type, endsAtMs: endsAt?.getTime() ?? null }),
  )
  const remedies = [...new Set(restrictions.map(({ remediation }) => remediation).filter(Boolean))]
  return [`Meta has restricted this number: ${clauses.join('; ')}.`, ...remedies].join(' ')
}
