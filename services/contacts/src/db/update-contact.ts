import { sql, type Tx } from '@lockstep/database'
import { indexValues } from './contact-values.ts'

/** What becomes of a contact's fields; what is undefined stays. */
export interface ContactChanges {
  name: string | undefined
  email: string | undefined
  language: string | undefined
  timeZone: string | undefined
  attributes: Record<string, string>
}

/** Writes fields of a locked contact. Without a name it has the one that the person goes by. */
export async function updateFields(
  tx: Tx,
  contactId: string,
  { name, email, language, timeZone, attributes }: ContactChanges,
): Promise<void> {
  await sql`update contacts set
      name = coalesce(case when ${name ?? null}::text = '' then profile_name
        else ${name ?? null}::text end, name),
      email = coalesce(${email ?? null}::text, email),
      language = coalesce(${language ?? null}::text, language),
      time_zone = coalesce(${timeZone ?? null}::text, time_zone),
      attributes = attributes || ${JSON.stringify(attributes)}::jsonb, updated_at = now()
    where id = ${contactId}::uuid and account_id = ${tx.accountId}::uuid`.execute(tx.sql)
  if (Object.keys(attributes).length > 0) await indexValues(tx, [contactId])
}

export async function removeAttributes(
  tx: Tx,
  contactId: string,
  names: readonly string[],
): Promise<void> {
  if (names.length === 0) return
  await sql`update contacts set attributes = attributes - ${names}::text[], updated_at = now()
    where id = ${contactId}::uuid and account_id = ${tx.accountId}::uuid`.execute(tx.sql)
  await indexValues(tx, [contactId])
}

/** Takes a locked contact out of all lists. */
export async function archive(tx: Tx, contactId: string): Promise<void> {
  await sql`update contacts set archived_at = coalesce(archived_at, now()), updated_at = now()
    where id = ${contactId}::uuid and account_id = ${tx.accountId}::uuid`.execute(tx.sql)
}
