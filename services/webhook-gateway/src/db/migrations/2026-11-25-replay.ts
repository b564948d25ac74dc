import { Migration } from '@mikro-orm/migrations'

export class Replay extends Migration {
  override up(): void {
    // Parts come in the order of their receipt: such an index finds those of a body and costs the intake next to nothing.
    this.addSql('create index webhook_parts_receipt on webhook_parts using brin (received_at) with (autosummarize = on)')
    // Null: whose the part is, is asked as of its receipt.
    this.addSql('alter table webhook_parts add column claimed_at timestamptz')
    this.addSql("create index webhook_parts_unclaimed on webhook_parts (key) where outcome = 'unclaimed'")
  }
}
