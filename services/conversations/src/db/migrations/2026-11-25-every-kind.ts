import { tenantTable } from '@lockstep/database'
import { Migration } from '@mikro-orm/migrations'

export class EveryKind extends Migration {
  override up(): void {
    this.addSql(`alter table messages
        -- {id, mimeType, sha256, caption?, filename?, voice?, animated?}
        add media jsonb,
        -- A location, contacts, an order, or the reply {kind, id, title, data} of a button, list or flow.
        add content jsonb,
        add forwarded boolean not null default false,
        add frequently_forwarded boolean not null default false,
        add referred_product jsonb,
        add referral jsonb,
        -- Of a reaction, edit or deletion: the message that it is about, stored or not.
        add target_wamid text,
        -- What edits and deletions of this message add up to. They are rows themselves: an edited message's history.
        add edited_at timestamptz,
        add original_text text,
        add revoked_at timestamptz;
      create index messages_about on messages (connection_id, target_wamid) where target_wamid is not null`)

    this.addSql(`create table reactions (
        account_id uuid not null,
        connection_id uuid not null,
        -- Stored or not: campaigns' messages are not.
        target_wamid text not null,
        conversation_id uuid not null,
        -- Empty: taken back.
        emoji text not null,
        at timestamptz not null,
        wamid text not null,
        -- A person has one reaction to a message: the last one.
        primary key (connection_id, target_wamid, conversation_id)
      );
      create index reactions_of_conversation on reactions (conversation_id);
      ${tenantTable('conversations', 'reactions')}`)

    // The person's other conversation on the number, to which its messages went when their two contacts turned out to be one.
    this.addSql('alter table conversations add merged_into uuid references conversations')
  }
}
