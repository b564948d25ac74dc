import { query, queryOne, sql, type Tx } from '@lockstep/database'

/** Why messages were refused: the same code, or without one the same words. */
export interface Refusal {
  code: number | null
  words: string
}

const isSame = ({ code, words }: Refusal) =>
  sql`a.code is not distinct from ${code}::int and (a.code is not null or a.words = ${words}::text)`

/** Whether Meta has taken a message of a campaign since a person last let it go on. */
export async function hasAccepted(tx: Tx, campaignId: string): Promise<boolean> {
  const row = await queryOne(
    tx,
    sql`select from attempts where campaign_id = ${campaignId} and outcome = 'accepted'
          and id > (select answers_from from campaigns where id = ${campaignId}) order by attempts.id limit 1`,
  )
  return row !== undefined
}

export interface Run {
  /** How many other attempts were refused so since a person last let the campaign go on. */
  refused: number
  /** Such a run has stopped the campaign already, and these are its last answers. */
  isStopped: boolean
  /** How often a run has stopped the campaign. */
  stops: number
}

/** The run to which refused attempts belong. Those of before a person's order belong to the run of then. */
export async function runOf(
  tx: Tx,
  campaignId: string,
  refusal: Refusal,
  attemptIds: string[],
): Promise<Run> {
  const ids = sql`${attemptIds}::bigint[]`
  const row = await queryOne<Run>(
    tx,
    sql`select c.refused_runs as stops, r.refused, r."isStopped"
        from campaigns c, lateral (
          select count(*) filter (where a.outcome = 'rejected' and a.id > c.answers_from and a.id <> all(${ids}))::int as refused,
                 coalesce(bool_or(a.outcome = 'not_sent'), false) as "isStopped"
          from attempts a
          where a.campaign_id = c.id and a.id > case when c.answers_from >= any(${ids}) then 0 else c.answers_from end and ${isSame(refusal)}
        ) r
        where c.id = ${campaignId}`,
  )
  return row!
}

/** Puts everybody of a run back into the queue; the attempts keep what Meta answered. Answers the variants of the recipients. */
export async function putBackRun(tx: Tx, campaignId: string, refusal: Refusal): Promise<number[]> {
  const rows = await query<{ variant: number }>(
    tx,
    sql`with back as (update attempts a set outcome = 'not_sent'
                      where a.campaign_id = ${campaignId} and a.outcome = 'rejected' and ${isSame(refusal)}
                        and a.id > (select answers_from from campaigns where id = ${campaignId})
                      returning a.id, a.recipient_id)
        update recipients r set state = 'queued', not_before = now() from back
        where r.campaign_id = ${campaignId} and r.id = back.recipient_id and r.attempt_id = back.id returning r.variant`,
  )
  return rows.map(({ variant }) => variant)
}

/** Notes that a run has stopped a campaign. */
export async function noteRun(tx: Tx, campaignId: string): Promise<void> {
  await sql`update campaigns set refused_runs = refused_runs + 1 where id = ${campaignId}`.execute(
    tx.sql,
  )
}
