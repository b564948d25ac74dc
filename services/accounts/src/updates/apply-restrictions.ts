import type { ConnectionFacts } from '../connections/facts.ts'
import { type Lifting, type Restriction, violationKind } from '../connections/restrictions.ts'
import type { RestrictionRow } from '../db/restrictions.ts'
import { isAbout, oldestUpdateMs, type RestrictionUpdate } from './account-update-rules.ts'

/**
 * A connection with all restrictions that it ever had in its WABA, by type: the ended ones say
 * which updates are old.
 */
export interface RestrictedConnection {
  connection: ConnectionFacts & { id: string }
  restrictions: Map<string, RestrictionRow>
}

/**
 * Applies an event of Meta's time `at`; answers the rows that changed. A type takes nothing older
 * than its last, or than the time when all were over.
 */
export function applyRestrictions(
  { connection, restrictions }: RestrictedConnection,
  { number, imposes, lifts }: RestrictionUpdate,
  at: Date,
  notedAt: Date,
): RestrictionRow[] {
  if (!isAbout(connection, number) || at.getTime() < oldestUpdateMs(connection, 'restriction'))
    return []
  const { id: connectionId, wabaId } = connection
  const common = { connectionId, wabaId, eventAt: at, notedAt }
  const lifted = { ...common, liftedAt: at }
  const changed = [
    ...imposes.map((each) => ({ ...common, ...columnsOf(each), liftedAt: null })),
    ...liftedBy(lifts, restrictions).map((row) => ({ ...emptyRow, ...row, ...lifted })),
  ].filter((row) => isNewer(row, restrictions.get(row.type)))
  for (const row of changed) restrictions.set(row.type, row)
  if (lifts === 'all') connection.factTimes = { ...connection.factTimes, restriction: at.getTime() }
  return changed
}

const emptyRow = { violation: '', remediation: '', endsAt: null }

const columnsOf = ({ type, endsAtMs, violation, remediation }: Restriction) => ({
  ...{ type, violation, remediation },
  endsAt: endsAtMs === null ? null : new Date(endsAtMs),
})

/**
 * The restrictions that a lifting ends, those of its own types even if they are not known yet:
 * updates come in any order.
 */
function liftedBy(
  lifts: Lifting | 'all' | null,
  known: Map<string, RestrictionRow>,
): (Partial<RestrictionRow> & { type: string })[] {
  if (lifts === null) return []
  const rows = [...known.values()]
  if (lifts === 'all') return rows.filter(({ liftedAt }) => liftedAt === null)
  const types = lifts.types.map((type) => known.get(type) ?? { type })
  const sameKind = rows.filter(
    ({ type, violation }) =>
      !lifts.types.includes(type) && violationKind(violation) === lifts.violation,
  )
  return [...types, ...sameKind]
}

/** False for the same once more: when it became known stays as it is. */
function isNewer(row: RestrictionRow, known: RestrictionRow | undefined): boolean {
  if (!known || row.eventAt > known.eventAt) return true
  const isSame =
    known.endsAt?.getTime() === row.endsAt?.getTime() &&
    (known.liftedAt === null) === (row.liftedAt === null)
  return row.eventAt.getTime() === known.eventAt.getTime() && !isSame
}
