import { Migration } from '@mikro-orm/migrations'

export class PausesAndPages extends Migration {
  override up(): void {
    // Those that must wait are looked for at each look at the queue; the others are not to be read for it.
    this.addSql(`create index recipients_waiting on recipients (campaign_id, not_before) where state = 'queued' and not_before is not null;
      create index recipients_page on recipients (campaign_id, id)`)
    // No code has ever set "scheduled".
    this.addSql(`alter table campaigns add resumed_at timestamptz, drop constraint campaigns_state_check,
      add constraint campaigns_state_check check (state in ('draft', 'preparing', 'sending', 'paused', 'completed', 'cancelled', 'failed'))`)
  }
}
