import { messageDirections, messageSources } from '@lockstep/contracts'
import { checkOneOf, fenceTable, tenantTable } from '@lockstep/database'
import { feedTable } from '@lockstep/feeds'
import { Migration } from '@mikro-orm/migrations'

const sources = Object.keys(messageSources)

export class Conversations extends Migration {
  override up(): void {
    this.addSql(`create table conversations (
        id uuid primary key,
        account_id uuid not null,
        connection_id uuid not null,
        -- The sender's first contact; it may have been merged into another since.
        contact_id uuid,
        -- Of a group, whose members are the contacts of its messages.
        group_id text,
        unread integer not null default 0,
        last_text text not null default '',
        -- Stays when the messages are deleted.
        last_message_at timestamptz,
        -- A group has one window for all of its members.
        window_until timestamptz,
        created_at timestamptz not null default now(),
        -- The conversation that has its messages since their two contacts were merged.
        merged_into uuid references conversations,
        -- Its place in the list until then, from which a caller reads on.
        last_message_at_before_merge timestamptz,
        unique (connection_id, contact_id),
        check (num_nonnulls(contact_id, group_id) = 1)
      );
      -- The group first, or the planner would look for a contact among all groups of a number.
      create unique index conversations_of_group on conversations (group_id, connection_id)
        where group_id is not null;
      -- To find what is left of a person who is forgotten.
      create index conversations_of_contact on conversations (contact_id)
        where contact_id is not null;
      create index conversations_newest
        on conversations (account_id, last_message_at desc, id desc);
      ${tenantTable('conversations', 'conversations')}`)

    this.addSql(`create table messages (
        id bigint generated always as identity primary key,
        account_id uuid not null,
        conversation_id uuid not null references conversations,
        connection_id uuid not null,
        wamid text not null,
        direction text not null ${checkOneOf('direction', messageDirections)},
        source text not null default 'cloud_api' ${checkOneOf('source', sources)},
        type text not null,
        text text not null,
        at timestamptz not null,
        -- Of a message in a group; otherwise its conversation and direction say who wrote it.
        group_id text,
        contact_id uuid,
        context_wamid text,
        payload jsonb not null,
        received_at timestamptz not null,
        -- {id, mimeType, sha256, caption?, filename?, voice?, animated?}
        media jsonb,
        -- A location, contacts, an order, or a reply {kind, id, title, data}.
        content jsonb,
        forwarded boolean not null default false,
        frequently_forwarded boolean not null default false,
        referred_product jsonb,
        referral jsonb,
        -- Of a reaction, edit or deletion: the message that it is about, stored or not.
        target_wamid text,
        -- What edits and deletions of this message add up to; they are rows themselves.
        edited_at timestamptz,
        original_text text,
        revoked_at timestamptz,
        unique (connection_id, wamid)
      );
      create index messages_of_conversation on messages (conversation_id, at desc, wamid desc);
      create index messages_of_contact on messages (contact_id) where contact_id is not null;
      create index messages_by_target on messages (connection_id, target_wamid)
        where target_wamid is not null;
      -- Has all columns that CountInbound asks for, so that it reads no messages.
      create index messages_inbound on messages (connection_id, received_at) include (account_id)
        where direction = 'in' and source <> 'history' and target_wamid is null
          and type not in ('system', 'request_welcome', 'call');
      ${tenantTable('conversations', 'messages')}`)

    this.addSql(`create table reactions (
        account_id uuid not null,
        connection_id uuid not null,
        -- Stored or not: messages of campaigns are not.
        target_wamid text not null,
        conversation_id uuid not null,
        -- The contact in a group, 'business' for the number; empty for the conversation's person.
        member_id text not null default '',
        -- Empty: taken back.
        emoji text not null,
        at timestamptz not null,
        wamid text not null,
        primary key (connection_id, target_wamid, conversation_id, member_id)
      );
      create index reactions_of_conversation on reactions (conversation_id);
      ${tenantTable('conversations', 'reactions')}`)

    // The oldest messages are first by id, so a run does not read again what an earlier one
    // deleted.
    this.addSql(`create function messages_to_forget(before timestamptz, max_rows integer)
        returns table (id bigint, account_id uuid, conversation_id uuid)
        language sql stable security definer set search_path = conversations, pg_temp
        as $$ select m.id, m.account_id, m.conversation_id
              from (select * from messages order by id limit max_rows) m
              where m.received_at < before $$;`)
    this.addSql(feedTable)
    this.addSql(fenceTable)
  }
}
