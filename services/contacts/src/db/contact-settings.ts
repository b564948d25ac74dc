import { query, queryOne, sql, type Tx } from '@lockstep/database'
import type { Country } from '../imports/country.ts'

export interface ContactSettings {
  /** As which country's numbers without a country code are read, if any. */
  defaultCountry: Country | ''
  /** By which the account's days begin. */
  timeZone: string
}

export async function contactSettings(tx: Tx): Promise<ContactSettings> {
  const row = await queryOne<ContactSettings>(
    tx,
    sql`select default_country as "defaultCountry", time_zone as "timeZone" from contact_settings
        where account_id = ${tx.accountId}::uuid`,
  )
  return row ?? { defaultCountry: '', timeZone: 'UTC' }
}

export async function writeContactSettings(
  tx: Tx,
  { defaultCountry, timeZone }: ContactSettings,
): Promise<void> {
  await query(
    tx,
    sql`insert into contact_settings (account_id, default_country, time_zone)
        values (${tx.accountId}::uuid, ${defaultCountry}, ${timeZone})
        on conflict (account_id) do update
          set default_country = excluded.default_country, time_zone = excluded.time_zone`,
  )
}
