import { query, queryOne, sql, type Tx } from '@lockstep/database'
import type { Country } from '../imports/country.ts'

export interface ContactSettings {
  /** As which country's numbers without a country code are read, if any. */
  defaultCountry: Country | ''
}

export async function contactSettings(tx: Tx): Promise<ContactSettings> {
  const row = await queryOne<ContactSettings>(
    tx,
    sql`select default_country as "defaultCountry" from contact_settings
        where account_id = ${tx.accountId}::uuid`,
  )
  return row ?? { defaultCountry: '' }
}

export async function writeContactSettings(
  tx: Tx,
  { defaultCountry }: ContactSettings,
): Promise<void> {
  await query(
    tx,
    sql`insert into contact_settings (account_id, default_country)
        values (${tx.accountId}::uuid, ${defaultCountry})
        on conflict (account_id) do update set default_country = excluded.default_country`,
  )
}
