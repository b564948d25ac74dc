import { query, queryOne, sql, type Tx } from '@lockstep/database'

/** Where the work on a campaign's list stands. */
export interface Preparation {
  runId: string
  /** People of an earlier run may stand in the list. */
  leftovers: boolean
  /** The last contact that was looked at; empty at the beginning. */
  afterContact: string
  /** Everybody has been looked at. */
  listed: boolean
  /** The last recipient that was looked at by whoever takes people off the list. */
  afterRecipient: string
  /** How often in a row the next page could not be read in time. */
  readTimeouts: number
}

/** Begins to prepare a campaign under a new run, whatever an earlier one has left. */
export async function beginPreparation(
  tx: Tx,
  campaignId: string,
  runId: string,
  leftovers: boolean,
): Promise<void> {
  await sql`insert into preparations (campaign_id, account_id, run_id, leftovers)
      values (${campaignId}, ${tx.accountId}, ${runId}, ${leftovers})
    on conflict (campaign_id) do update set run_id = excluded.run_id, leftovers = true,
      after_contact = '', listed = false,
      after_recipient = 0, queued = 0, skipped = 0, read_timeouts = 0, reason = ''`.execute(tx.sql)
}

export function findPreparation(tx: Tx, campaignId: string): Promise<Preparation | undefined> {
  return queryOne(
    tx,
    sql`select run_id as "runId", leftovers, after_contact as "afterContact", listed,
          after_recipient::text as "afterRecipient", read_timeouts as "readTimeouts"
        from preparations where campaign_id = ${campaignId}`,
  )
}

/**
 * Moves the cursor past a page of contacts; false when another run or worker has come further than
 * `from`.
 */
export async function writePage(
  tx: Tx,
  campaignId: string,
  from: Preparation,
  page: { afterContact: string; queued: number; skipped: number },
): Promise<boolean> {
  const row = await queryOne(
    tx,
    sql`update preparations set after_contact = ${page.afterContact},
          queued = queued + ${page.queued}, skipped = skipped + ${page.skipped},
          read_timeouts = 0, reason = ''
        where campaign_id = ${campaignId}
          and run_id = ${from.runId} and not listed and after_contact = ${from.afterContact}
        returning 1`,
  )
  return row !== undefined
}

/** A run has looked at everybody; false as for a page. */
export async function writeListed(tx: Tx, campaignId: string, from: Preparation): Promise<boolean> {
  const row = await queryOne(
    tx,
    sql`update preparations set listed = true
        where campaign_id = ${campaignId}
          and run_id = ${from.runId} and not listed and after_contact = ${from.afterContact}
        returning 1`,
  )
  return row !== undefined
}

/** How far the list has been looked through for people to take off. */
export async function writeCursor(
  tx: Tx,
  campaignId: string,
  afterRecipient: string,
): Promise<void> {
  await sql`update preparations set after_recipient = ${afterRecipient}::bigint
      where campaign_id = ${campaignId}`.execute(tx.sql)
}

export async function addReadTimeout(tx: Tx, campaignId: string): Promise<void> {
  await sql`update preparations set read_timeouts = read_timeouts + 1
      where campaign_id = ${campaignId}`.execute(tx.sql)
}

/** What a campaign's preparation waits for. */
export async function writeReason(tx: Tx, campaignId: string, reason: string): Promise<void> {
  await sql`update preparations set reason = ${reason} where campaign_id = ${campaignId}
      and reason <> ${reason}`.execute(tx.sql)
}

/** What preparations of campaigns wait for, of those that wait. */
export async function waitingReasons(tx: Tx, campaignIds: string[]): Promise<Map<string, string>> {
  if (campaignIds.length === 0) return new Map()
  const rows = await query<{ id: string; reason: string }>(
    tx,
    sql`select campaign_id as id, reason from preparations
          where campaign_id = any(${campaignIds}::uuid[]) and reason <> ''`,
  )
  return new Map(rows.map(({ id, reason }) => [id, reason]))
}

/**
 * Writes the counts of a complete list into the campaign's statistics and ends the preparation;
 * answers them.
 */
export async function endPreparation(
  tx: Tx,
  campaignId: string,
): Promise<{ queued: number; skipped: number }> {
  const row = await queryOne<{ queued: number; skipped: number }>(
    tx,
    sql`delete from preparations where campaign_id = ${campaignId} returning queued, skipped`,
  )
  const { queued, skipped } = row!
  await sql`update campaign_statistics set recipients = ${queued + skipped}, queued = ${queued},
      skipped = ${skipped}, progress_due = true
    where campaign_id = ${campaignId} and variant = 0`.execute(tx.sql)
  return row!
}

/** Ends the preparation of a campaign whose list is empty again. */
export async function dropPreparation(tx: Tx, campaignId: string): Promise<void> {
  await sql`delete from preparations where campaign_id = ${campaignId}`.execute(tx.sql)
}

/** Plans that PostgreSQL made while the lists were small would stay. */
export async function analyzeLists(tx: Tx, listed: number): Promise<void> {
  await query(tx, sql`select analyze_lists(${listed}::integer)`)
}
