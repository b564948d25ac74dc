import { query, RunAgain, sql, type Tx } from '@lockstep/database'

export interface LockedContact {
  id: string
  importId: string | null
  mergedInto: string | null
}

/**
 * Locks contacts by id, before they are written to; answers the import that each was in last. When one was merged while we waited, the
 * transaction runs again and finds the contact that it was merged into.
 */
export async function lockContacts(
  tx: Tx,
  ids: Iterable<string>,
): Promise<Map<string, string | null>> {
  const rows = await query<LockedContact>(
    tx,
    sql`select id, last_import_id as "importId", merged_into as "mergedInto"
        from contacts where id = any(${[...new Set(ids)]}::uuid[]) order by id for no key update`,
  )
  return notMerged(rows)
}

/** The last imports of contacts that were just locked; throws for one that was merged meanwhile. */
export function notMerged(rows: LockedContact[]): Map<string, string | null> {
  if (rows.some((row) => row.mergedInto !== null))
    throw new RunAgain('A contact was merged into another again and again; try again')
  return new Map(rows.map((row) => [row.id, row.importId]))
}
