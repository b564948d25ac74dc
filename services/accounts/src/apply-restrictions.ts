import { isAbout, newsFrom, type RestrictionNews } from './account-news.ts'
import type { Connection } from './db/entities.ts'
import type { RestrictionRow } from './db/restrictions.ts'
import { type Lifting, type Restriction, violationKind } from './restrictions.ts'

/** A connection and its restrictions in its WABA, by type: all that it ever had, for they say what is old news. */
export interface RestrictedConnection {
  connection: Connection
  restrictions: Map<string, RestrictionRow>
}

/**
 * Applies what an event of Meta's time `at` says of a connection's restrictions. They are a set by type, and each type takes only
 * news that isn't older than its last, nor than the time when all were over. Answers the rows that changed.
 */
export function applyRestrictions(
  subject: RestrictedConnection,
  news: RestrictionNews,
  at: Date,
  notedAt: Date,
): RestrictionRow[] {
  const { connection, restrictions } = subject
  if (!isAbout(connection, news.number) || at.getTime() < newsFrom(connection, 'restriction'))
    return []
  const { id: connectionId, wabaId } = connection
  const common = { connectionId, wabaId, eventAt: at, notedAt }
  const changed = [
    ...news.imposed.map((each) => ({ ...common, ...fieldsOf(each), liftedAt: null })),
    ...liftedBy(news.lifting, restrictions).map((row) => ({
      ...emptyRow,
      ...row,
      ...common,
      liftedAt: at,
    })),
  ].filter((row) => isNews(restrictions.get(row.type), row))
  for (const row of changed) restrictions.set(row.type, row)
  if (news.lifting === 'all')
    connection.newsAt = { ...connection.newsAt, restriction: at.getTime() }
  return changed
}

const emptyRow = { violation: '', remediation: '', endsAt: null }

const fieldsOf = ({ type, endsAtMs, violation, remediation }: Restriction) => ({
  ...{ type, violation, remediation },
  endsAt: endsAtMs === null ? null : new Date(endsAtMs),
})

/** The restrictions that a lifting ends. Its own types are among them even if they are not known yet: news come in any order. */
function liftedBy(
  lifting: Lifting | 'all' | null,
  known: Map<string, RestrictionRow>,
): (Partial<RestrictionRow> & { type: string })[] {
  if (lifting === null) return []
  const rows = [...known.values()]
  if (lifting === 'all') return rows.filter(({ liftedAt }) => liftedAt === null)
  const types = lifting.types.map((type) => known.get(type) ?? { type })
  const sameKind = rows.filter(
    ({ type, violation }) =>
      !lifting.types.includes(type) && violationKind(violation) === lifting.violation,
  )
  return [...types, ...sameKind]
}

/** Not older than what is known, and not the same once more: when it became known stays as it is. */
function isNews(known: RestrictionRow | undefined, row: RestrictionRow): boolean {
  if (!known || row.eventAt > known.eventAt) return true
  const isSame =
    known.endsAt?.getTime() === row.endsAt?.getTime() &&
    (known.liftedAt === null) === (row.liftedAt === null)
  return row.eventAt.getTime() === known.eventAt.getTime() && !isSame
}
