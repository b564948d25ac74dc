import { Migration } from '@mikro-orm/migrations'

export class PagesAndCounts extends Migration {
  override up(): void {
    // Where a conversation stood in the list before its messages went into another: who has read as far goes on from there.
    this.addSql('alter table conversations add stood_at timestamptz')
    // Holds all that is asked when messages are counted, so that a number's whole history is counted without reading its messages.
    this.addSql(`create index messages_counted on messages (connection_id, received_at) include (account_id)
        where direction = 'in' and target_wamid is null and type not in ('system', 'request_welcome');
      drop index messages_received`)
  }
}
