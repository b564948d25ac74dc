import { AppError, type CampaignState, type CampaignWait } from '@lockstep/contracts'
import { type Database, query, queryOne, sql, type Tx } from '@lockstep/database'
import type { Wait } from '@lockstep/sending'
import { LockMode, type RequiredEntityData } from '@mikro-orm/core'
import { type Campaign, CampaignSchema } from './entities.ts'

/**
 * The account's campaign; `not_found` also for another account's. `lock` holds its row until the
 * commit.
 */
export async function findCampaign(
  tx: Tx,
  id: string,
  options: { lock?: boolean } = {},
): Promise<Campaign> {
  const lockMode = options.lock ? LockMode.PESSIMISTIC_WRITE : undefined
  const campaign = await tx.em.findOne(
    CampaignSchema,
    { id, accountId: tx.accountId! },
    { lockMode },
  )
  if (!campaign) throw new AppError('not_found', `There is no campaign ${id}`)
  return campaign
}

/** A new draft, with statistics of nobody. */
export async function insertDraft(
  tx: Tx,
  draft: Omit<RequiredEntityData<Campaign>, 'state' | 'waitsFor' | 'reason'>,
): Promise<Campaign> {
  const campaign = tx.em.create(CampaignSchema, {
    ...draft,
    state: 'draft',
    waitsFor: '',
    reason: '',
  } as RequiredEntityData<Campaign>)
  await tx.em.flush()
  await sql`insert into campaign_statistics (campaign_id, account_id)
    values (${campaign.id}, ${campaign.accountId})`.execute(tx.sql)
  return campaign
}

/** Takes a draft away whose row is locked: it has no recipients yet. */
export async function deleteDraft(tx: Tx, id: string): Promise<void> {
  await sql`delete from campaign_statistics where campaign_id = ${id}`.execute(tx.sql)
  await sql`delete from campaigns where id = ${id} and state = 'draft'`.execute(tx.sql)
}

/** A page of the account's campaigns, newest first; of one state where it is named. */
export function campaignsPage(
  tx: Tx,
  { state, before, limit }: { state: CampaignState | ''; before: string; limit: number },
): Promise<Campaign[]> {
  const where = {
    accountId: tx.accountId!,
    ...(state && { state }),
    ...(before && { id: { $lt: before } }),
  }
  return tx.em.find(CampaignSchema, where, { orderBy: { id: 'desc' }, limit })
}

/** Whose a campaign is, and by which number and apps it has sent. */
export interface CampaignOwner {
  campaignId: string
  accountId: string
  phoneNumberId: string
  appIds: string[]
}

/** The owners of campaigns, before the tenants are known. */
export async function campaignOwners(
  db: Database,
  ids: string[],
): Promise<Map<string, CampaignOwner>> {
  const owners = await db.statement<CampaignOwner>(
    sql`select campaign_id as "campaignId", account_id as "accountId",
          phone_number_id as "phoneNumberId", app_ids as "appIds"
        from campaign_owners(${ids}::uuid[])`,
  )
  return new Map(owners.map((owner) => [owner.campaignId, owner]))
}

/** Holds campaigns as they are until the commit: whoever completes, pauses or resumes one waits. */
export async function lockCampaigns(tx: Tx, ids: string[]): Promise<void> {
  await query(
    tx,
    sql`select from campaigns where id = any(${ids}::uuid[]) order by campaigns.id
          for no key update`,
  )
}

/**
 * Whether a campaign is still being prepared; holds it so until the commit, for a cancel waits
 * then.
 */
export async function isPreparing(tx: Tx, campaignId: string): Promise<boolean> {
  const row = await queryOne(
    tx,
    sql`select 1 from campaigns where id = ${campaignId} and state = 'preparing' for no key update`,
  )
  return row !== undefined
}

/**
 * Whether a campaign has ended before anything was sent; holds it so until the commit, for a start
 * waits then.
 */
export async function hasEndedUnsent(tx: Tx, campaignId: string): Promise<boolean> {
  const row = await queryOne(
    tx,
    sql`select from campaigns where id = ${campaignId} and state in ('cancelled', 'failed')
          for no key update`,
  )
  return row !== undefined
}

/** Campaigns of all accounts with attempts that have no outcome since before a moment. */
export function campaignsWithStaleAttempts(
  db: Database,
  before: Date,
  limit: number,
): Promise<{ accountId: string; campaignId: string }[]> {
  return db.statement(
    sql`select account_id as "accountId", campaign_id as "campaignId"
        from campaigns_with_stale_sending(${before}, ${limit})`,
  )
}

/** Ended campaigns of all accounts whose recipients are kept no longer, oldest first. */
export function campaignsToForget(
  db: Database,
  before: Date,
  limit: number,
): Promise<{ accountId: string; campaignId: string }[]> {
  return db.statement(
    sql`select account_id as "accountId", campaign_id as "campaignId"
          from campaigns_to_forget(${before}, ${limit})`,
  )
}

/** Whether a campaign has ended for good; holds it so until the commit. */
export async function hasEnded(tx: Tx, campaignId: string): Promise<boolean> {
  const row = await queryOne(
    tx,
    sql`select from campaigns where id = ${campaignId} and state in ('completed', 'cancelled')
          for no key update`,
  )
  return row !== undefined
}

/** A campaign's number has another app than before: statuses may come from both. */
export async function writeApp(tx: Tx, id: string, appId: string): Promise<void> {
  await sql`update campaigns set later_app_ids = later_app_ids || ${appId}::uuid where id = ${id}
      and ${appId}::uuid <> all(app_id || later_app_ids)`.execute(tx.sql)
}

/** What a sending campaign waits for; null when it goes on. */
export async function writeWait(
  tx: Tx,
  id: string,
  wait: Wait<CampaignWait> | null,
): Promise<void> {
  await sql`update campaigns set waits_for = ${wait?.for ?? ''}, reason = ${wait?.reason ?? ''}
      where id = ${id} and account_id = any(${tx.accountIds}::uuid[])
        and state = 'sending'`.execute(tx.sql)
}

/** A campaign's recipients are kept no longer; written before the first of them goes. */
export async function writeForgotten(tx: Tx, id: string): Promise<void> {
  await sql`update campaigns set forgotten_at = now() where id = ${id}
      and forgotten_at is null`.execute(tx.sql)
}

/** The last of a campaign's recipients is gone. */
export async function writeEmptied(tx: Tx, id: string): Promise<void> {
  await sql`update campaigns set emptied_at = now() where id = ${id}`.execute(tx.sql)
}

/** Moves a campaign on from one of `from`; answers its account, undefined when it is in none of them. */
export async function writeMove(
  tx: Tx,
  id: string,
  from: CampaignState[],
  to: CampaignState,
  change: { reason?: string; finishedAt?: Date } = {},
): Promise<string | undefined> {
  const row = await queryOne<{ accountId: string }>(
    tx,
    sql`update campaigns set state = ${to}, waits_for = '', reason = ${change.reason ?? ''},
          finished_at = ${change.finishedAt ?? null}
        where id = ${id} and account_id = any(${tx.accountIds}::uuid[])
          and state = any(${from}::text[]) returning account_id as "accountId"`,
  )
  return row?.accountId
}

/**
 * Pauses a sending campaign for what became known of attempts; answers its account, undefined when
 * a person has ordered it to go on since they were claimed.
 */
export async function writePauseBecauseOf(
  tx: Tx,
  id: string,
  attemptIds: string[],
  reason: string,
): Promise<string | undefined> {
  const row = await queryOne<{ accountId: string }>(
    tx,
    sql`update campaigns set state = 'paused', waits_for = '', reason = ${reason},
          finished_at = null
        where id = ${id} and account_id = any(${tx.accountIds}::uuid[]) and state = 'sending'
          and coalesce(resumed_at < (select max(claimed_at) from attempts
                                     where campaign_id = ${id}
                                       and attempts.id = any(${attemptIds}::bigint[])), true)
                                         returning account_id as "accountId"`,
  )
  return row?.accountId
}

/**
 * A person lets a campaign go on, by the clock that dates claims; runs of refusals are counted
 * anew.
 */
export async function writeResumed(tx: Tx, id: string): Promise<void> {
  await sql`update campaigns set resumed_at = clock_timestamp(),
      answers_from = coalesce((select max(a.id) from attempts a where a.campaign_id = ${id}), 0)
    where id = ${id}`.execute(tx.sql)
}

/** A run of refusals has stopped a campaign. */
export async function addRefusedRun(tx: Tx, id: string): Promise<void> {
  await sql`update campaigns set refused_runs = refused_runs + 1 where id = ${id}`.execute(tx.sql)
}
