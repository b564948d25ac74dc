import { Migration } from '@mikro-orm/migrations'

export class MovesAndMerges extends Migration {
  override up(): void {
    // When Meta named the person by the id that stands in the row: an older element, however late it comes, does not bring an older
    // id back. phone_at is the time of a change of number; a phone without one was the first that was known.
    this.addSql(`alter table contacts add phone_at timestamptz, add wa_id_at timestamptz, add user_id_at timestamptz;
      create index contacts_merged on contacts (merged_into) where merged_into is not null;`)

    this.addSql(`alter table consents drop constraint consents_via_check,
      add constraint consents_via_check check (via in ('word', 'button', 'preference', 'error_131050', 'api', 'import', 'merge'))`)
  }
}
