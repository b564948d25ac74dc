import { AppError } from '@lockstep/contracts'
import { sql } from '@lockstep/database'
import type { Filter } from '@lockstep/rpc/gen/contacts'
import { clean, maxTagLength } from '../text.ts'

/**
 * The condition on a contact `c` that a filter means. Nothing else turns filters into SQL. Throws `invalid` for an empty one:
 * it must never mean everybody.
 */
export function compileFilter(filter: Filter | undefined) {
  const tags = [...new Set(filter?.tags.map((tag) => clean(tag, maxTagLength)))].filter(Boolean)
  if (tags.length === 0) throw new AppError('invalid', 'The filter is empty: name at least one tag')
  if (tags.length > 100) throw new AppError('invalid', `The filter names ${tags.length} tags; at most 100 are allowed`)
  return sql<boolean>`c.tags && ${tags}::text[]`
}
