import { sql, type Tx } from '@lockstep/database'

/** Takes what names a person out of the recipients that contacts are, locked in their order. */
export async function blankRecipients(tx: Tx, contactIds: string[]): Promise<void> {
  await sql`with found as materialized (
      select r.campaign_id, r.id
      from campaigns c cross join unnest(${contactIds}::uuid[]) v(contact_id)
        cross join lateral (
          select campaign_id, id from recipients
          where campaign_id = c.id and contact_id = v.contact_id offset 0) r
      where c.account_id = ${tx.accountId}::uuid),
    locked as (
      select r.campaign_id, r.id
      from found f join recipients r on r.campaign_id = f.campaign_id and r.id = f.id
      where r.phone <> '' or r.user_id <> '' or r.values <> '{}'
      order by r.campaign_id, r.id for update of r)
    update recipients r set phone = '', user_id = '', values = '{}'
    from locked l where r.campaign_id = l.campaign_id and r.id = l.id`.execute(tx.sql)
}
