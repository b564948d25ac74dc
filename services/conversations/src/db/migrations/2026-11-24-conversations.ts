import { fenceTable, tenantTable } from '@lockstep/database'
import { feedTable } from '@lockstep/feeds'
import { Migration } from '@mikro-orm/migrations'

export class Conversations extends Migration {
  override up(): void {
    this.addSql(`create table conversations (
        id uuid primary key,
        account_id uuid not null,
        connection_id uuid not null,
        -- As contacts named the sender at first; it may have been merged into another since.
        contact_id uuid not null,
        unread integer not null default 0,
        last_text text not null default '',
        last_message_at timestamptz,
        window_until timestamptz,
        created_at timestamptz not null default now(),
        unique (connection_id, contact_id)
      );
      create index conversations_newest on conversations (account_id, last_message_at desc, id desc);
      ${tenantTable('conversations', 'conversations')}`)

    this.addSql(`create table messages (
        id bigint generated always as identity primary key,
        account_id uuid not null,
        conversation_id uuid not null references conversations,
        connection_id uuid not null,
        wamid text not null,
        direction text not null check (direction in ('in', 'out')),
        type text not null,
        text text not null,
        at timestamptz not null,
        context_wamid text,
        payload jsonb not null,
        received_at timestamptz not null,
        -- However often and wherever Meta sends a message, it is one row.
        unique (connection_id, wamid)
      );
      create index messages_of_conversation on messages (conversation_id, at desc, wamid desc);
      create index messages_received on messages (connection_id, received_at) where direction = 'in';
      ${tenantTable('conversations', 'messages')}`)
    this.addSql(feedTable)
    this.addSql(fenceTable)
  }
}
