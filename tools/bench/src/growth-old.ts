/** What is older than it is kept: written first, as it was. */
export function oldRows(accountId: string, connectionId: string, count: number): string {
  const rows = `generate_series(1, ${count}) i`
  const ago = (interval: string) => `date_trunc('second', now()) - interval '${interval}'`
  const id = (kind: number, i: string) =>
    `('${kind}f000000-0000-7000-8000-' || lpad(to_hex(${i}), 12, '0'))::uuid`
  const conversation = id(4, '1 + i % 5000')
  return `
    insert into accounts.account_events (account_id, waba_id, field, event, summary, value, value_hash, received_at)
      select '${accountId}', '1', 'account_update', '', '', '{}', decode(md5('old' || i), 'hex'), ${ago('500 days')} from ${rows};
    insert into templates.sync_runs (id, account_id, connection_id, waba_id, state, created_at, started_at, finished_at)
      select gen_random_uuid(), '${accountId}', '${connectionId}', '1', 'done', ${ago('60 days')}, ${ago('60 days')}, ${ago('60 days')} from ${rows};
    insert into contacts.imports (id, account_id, file_name, state, total_bytes, created_at, finished_at)
      select ${id(8, 'i')}, '${accountId}', 'old.csv', 'done', 100, ${ago('100 days')}, ${ago('100 days')} from generate_series(1, 1000) i;
    insert into contacts.import_errors (import_id, line, account_id, reason)
      select ${id(8, '1 + i % 1000')}, i, '${accountId}', 'The phone number is missing' from ${rows};
    insert into contacts.consents (account_id, namespace, match_key, contact_id, kind, via, evidence, said_at, recorded_at)
      select '${accountId}', 'number', 'old' || i % (${count} / 4), gen_random_uuid(), 'opt_out', case when i % 7 = 0 then 'import' else 'word' end,
        i::text, ${ago('3000 days')} + i * interval '1 second', ${ago('3000 days')} from ${rows};
    update contacts.consent_walk set after_id = 0, done_at = '-infinity';
    insert into conversations.conversations (id, account_id, connection_id, contact_id, unread, last_text, last_message_at)
      select ${id(4, 'i')}, '${accountId}', '${connectionId}', gen_random_uuid(), 1 + ${count} / 5000, 'Old', ${ago('500 days')}
      from generate_series(1, 5000) i;
    insert into conversations.messages (account_id, conversation_id, connection_id, wamid, direction, type, text, at, target_wamid, payload, received_at)
      select '${accountId}', ${conversation}, '${connectionId}', 'wamid.old.' || i, 'in', case when i % 5 = 0 then 'reaction' else 'text' end, 'Old',
        ${ago('500 days')}, case when i % 5 = 0 then 'wamid.old.' || i - 1 end, '{"type": "text"}', ${ago('500 days')} from ${rows};
    insert into conversations.reactions (account_id, connection_id, target_wamid, conversation_id, emoji, at, wamid)
      select '${accountId}', '${connectionId}', 'wamid.old.' || i - 1, ${conversation}, '+', ${ago('500 days')}, 'wamid.old.' || i
      from ${rows} where i % 5 = 0`
}
