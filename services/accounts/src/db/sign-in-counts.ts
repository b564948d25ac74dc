import { type Database, rowset, sql } from '@lockstep/database'

export interface SignInCount {
  subject: Buffer
  /** Since `since`, this one among them. */
  tries: number
  since: Date
}

/**
 * Counts a try for each of some names and addresses, before it is made; a count begins anew when its
 * first try is older than `begunAfter`.
 */
export function countTries(
  db: Database,
  subjects: readonly Buffer[],
  { at, begunAfter }: { at: Date; begunAfter: Date },
): Promise<SignInCount[]> {
  const rows = subjects.map((subject) => ({ subject }))
  return db.statement(
    sql`insert into sign_in_counts as c (subject, tries, since)
        select v.subject, 1, ${at} from ${rowset(rows, { subject: 'bytea' })} order by v.subject
        on conflict (subject) do update set
          tries = case when c.since < ${begunAfter} then 1 else c.tries + 1 end,
          since = case when c.since < ${begunAfter} then ${at} else c.since end
        returning subject, tries, since`,
  )
}

/** Takes the try of an address back that has succeeded; its others count on. */
export async function forgiveTry(db: Database, address: Buffer): Promise<void> {
  await db.statement(
    sql`update sign_in_counts set tries = greatest(tries - 1, 0) where subject = ${address}`,
  )
}

/** A name's count begins anew. */
export async function forgetTries(db: Database, name: Buffer): Promise<void> {
  await db.statement(sql`delete from sign_in_counts where subject = ${name}`)
}

/** Takes counts away that began before a time, at most `most`; answers how many. */
export async function forgetCountPage(db: Database, before: Date, most: number): Promise<number> {
  const rows = await db.statement(
    sql`with old as (select subject from sign_in_counts where since < ${before} order by since limit ${most} for update skip locked)
        delete from sign_in_counts c using old where c.subject = old.subject returning 1 as gone`,
  )
  return rows.length
}
