import { AppError, cleanTrimmed } from '@lockstep/contracts'
import type { Filter } from '@lockstep/rpc/gen/contacts'
import { maxTagLength } from '../contact-limits.ts'

const maxTagsOfFilter = 100

/** The tags of a filter. Throws `invalid` for an empty one: it must never mean everybody. */
export function readFilter(filter: Filter | undefined): string[] {
  const named = filter?.tags.map((tag) => cleanTrimmed(tag, maxTagLength))
  const tags = [...new Set(named)].filter(Boolean)
  if (tags.length === 0) throw new AppError('invalid', 'The filter is empty: name at least one tag')
  if (tags.length > maxTagsOfFilter)
    throw new AppError(
      'invalid',
      `The filter names ${tags.length} tags; at most ${maxTagsOfFilter} are allowed`,
    )
  return tags
}
