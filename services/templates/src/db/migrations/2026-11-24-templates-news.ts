import { Migration } from '@mikro-orm/migrations'

export class TemplatesNews extends Migration {
  override up(): void {
    this.addSql(`alter table templates
      add column status_reason text not null default '',
      add column next_category text not null default '',
      add column next_category_at timestamptz,
      add column announcement_event_at timestamptz,
      add column components_event_at timestamptz;`)
  }
}
