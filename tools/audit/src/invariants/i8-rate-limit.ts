import type { Invariant } from '../invariant.ts'

/**
 * What counts is what Meta saw: every POST, whatever became of it, at the time of its arrival. The windows end at each POST.
 * A connection's earlier limits are not kept, so all is judged by today's.
 */
export const rateLimit: Invariant = {
  id: 'I8',
  statement: "In the log, any 60 s hold at most the connection's limit per minute, any second at most its limit per second + 5 %.",
  means: 'Meta was sent more than the connection may send; Meta answers that with errors, and at length with a worse rating.',
  rows: 'afterLog',
  needsLog: true,
  checked: `select count(*) from g_posts`,
  violations: ({ limitFactor }) => `
    with windows as (
      select phone_number_id, at_ms, w.name, w.posts, w.ms
      from (select phone_number_id, at_ms,
                   count(*) over (partition by phone_number_id order by at_ms range between 59999 preceding and current row) as minute,
                   count(*) over (partition by phone_number_id order by at_ms range between 999 preceding and current row) as second
            from g_posts) p
      cross join lateral (values ('minute', minute, 60000), ('second', second, 1000)) w(name, posts, ms)
    ), judged as (
      select w.*, c.id as connection_id,
             ${limitFactor} * case w.name when 'minute' then c.per_minute else floor(c.per_second * 1.05) end as allowed
      from windows w
      join accounts.connections c on c.phone_number_id = w.phone_number_id
        and c.connected_at <= to_timestamp(w.at_ms / 1000.0) and (c.disconnected_at is null or c.disconnected_at > to_timestamp(w.at_ms / 1000.0))
    )
    select distinct on (connection_id, name) connection_id, phone_number_id, 'per ' || name as "limit", allowed, posts,
           to_timestamp((at_ms - ms + 1) / 1000.0) as "from", to_timestamp(at_ms / 1000.0) as "to",
           count(*) over (partition by connection_id, name) as windows_over
    from judged where posts > allowed
    order by connection_id, name, posts desc`,
  gap: `select 'template calls and bot replies: the log does not tell them apart'`,
}
