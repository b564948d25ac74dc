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
        contact_id uuid,
        -- Of a conversation with a group, whose members are the contacts of its messages.
        group_id text,
        unread integer not null default 0,
        last_text text not null default '',
        -- Stays when the messages are gone.
        last_message_at timestamptz,
        -- Of a group it is one window for all of its members.
        window_until timestamptz,
        created_at timestamptz not null default now(),
        -- The person's other conversation on the number, to which its messages went when their two contacts turned out to be one.
        merged_into uuid references conversations,
        -- Where it stood in the list before that: who has read as far goes on from there.
        stood_at timestamptz,
        unique (connection_id, contact_id),
        check (num_nonnulls(contact_id, group_id) = 1)
      );
      -- The group first, or the planner would look for a contact among all groups of a number.
      create unique index conversations_of_group on conversations (group_id, connection_id) where group_id is not null;
      create index conversations_newest on conversations (account_id, last_message_at desc, id desc);
      ${tenantTable('conversations', 'conversations')}`)

    this.addSql(`create table messages (
        id bigint generated always as identity primary key,
        account_id uuid not null,
        conversation_id uuid not null references conversations,
        connection_id uuid not null,
        wamid text not null,
        direction text not null check (direction in ('in', 'out')),
        -- How it came to be known: see MessageSource in packages/whatsapp.
        source text not null default 'cloud_api',
        type text not null,
        text text not null,
        at timestamptz not null,
        -- Of a message in a group, with who wrote it; otherwise its conversation and direction say that.
        group_id text,
        contact_id uuid,
        context_wamid text,
        payload jsonb not null,
        received_at timestamptz not null,
        -- {id, mimeType, sha256, caption?, filename?, voice?, animated?}
        media jsonb,
        -- A location, contacts, an order, or the reply {kind, id, title, data} of a button, list or flow.
        content jsonb,
        forwarded boolean not null default false,
        frequently_forwarded boolean not null default false,
        referred_product jsonb,
        referral jsonb,
        -- Of a reaction, edit or deletion: the message that it is about, stored or not.
        target_wamid text,
        -- What edits and deletions of this message add up to. They are rows themselves: an edited message's history.
        edited_at timestamptz,
        original_text text,
        revoked_at timestamptz,
        -- However often and wherever Meta sends a message, it is one row.
        unique (connection_id, wamid)
      );
      create index messages_of_conversation on messages (conversation_id, at desc, wamid desc);
      create index messages_about on messages (connection_id, target_wamid) where target_wamid is not null;
      -- Holds all that is asked when messages are counted, so that a number's whole history is counted without reading its messages.
      create index messages_counted on messages (connection_id, received_at) include (account_id)
        where direction = 'in' and source <> 'history' and target_wamid is null and type not in ('system', 'request_welcome', 'call');
      ${tenantTable('conversations', 'messages')}`)

    this.addSql(`create table reactions (
        account_id uuid not null,
        connection_id uuid not null,
        -- Stored or not: campaigns' messages are not.
        target_wamid text not null,
        conversation_id uuid not null,
        -- Who reacted: the contact in a group, 'business' for the number itself; empty for the person of the conversation.
        member_id text not null default '',
        -- Empty: taken back.
        emoji text not null,
        at timestamptz not null,
        wamid text not null,
        -- A person has one reaction to a message: the last one.
        primary key (connection_id, target_wamid, conversation_id, member_id)
      );
      create index reactions_of_conversation on reactions (conversation_id);
      ${tenantTable('conversations', 'reactions')}`)

    // Messages are stored about in the order in which they come, so the oldest are first by id: those that are gone are not met again.
    this.addSql(`create function messages_to_forget(before timestamptz, most integer)
        returns table (id bigint, account_id uuid, conversation_id uuid)
        language sql stable security definer set search_path = conversations, pg_temp
        as $$ select m.id, m.account_id, m.conversation_id
              from (select * from messages order by id limit most) m where m.received_at < before $$;`)
    this.addSql(feedTable)
    this.addSql(fenceTable)
  }
}
