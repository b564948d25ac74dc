import { query, queryOne, sql, type Tx } from '@lockstep/database'
import type { ConsentRules } from '../consents/consent.ts'

const strict: ConsentRules = { utilityAfterStop: false }

/** What the account chose for people who said stop. */
export async function consentRules(tx: Tx): Promise<ConsentRules> {
  const row = await queryOne<ConsentRules>(
    tx,
    sql`select utility_after_stop as "utilityAfterStop" from consent_rules
        where account_id = ${tx.accountId}::uuid`,
  )
  return row ?? strict
}

export async function writeConsentRules(tx: Tx, { utilityAfterStop }: ConsentRules): Promise<void> {
  await query(
    tx,
    sql`insert into consent_rules (account_id, utility_after_stop)
        values (${tx.accountId}::uuid, ${utilityAfterStop})
        on conflict (account_id) do update set utility_after_stop = excluded.utility_after_stop`,
  )
}
