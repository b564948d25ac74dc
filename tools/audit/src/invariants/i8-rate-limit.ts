import { rateLimits } from '@lockstep/contracts'
import type { Invariant } from '../invariant.ts'

const { limit: templateCalls } = rateLimits.template_sync_rate_limit

/**
 * What counts is what Meta saw: every request, whatever became of it, at the time of its arrival. The windows end at each
 * request. A connection's earlier limits are not kept, so all is judged by today's. A GET of templates names a WABA only: its
 * connections, where there are several, are judged together.
 */
export const rateLimit: Invariant = {
  id: 'I8',
  statement: `In the log, any 60 s hold at most the connection's limit per minute and ${templateCalls} template lists, any second at most its limit per second + 5 %.`,
  means:
    'Meta was sent more than the connection may send; Meta answers that with errors, and at length with a worse rating.',
  rows: 'afterLog',
  needs: 'log',
  checked: `select (select count(*) from g_posts) + (select count(*) from g_template_lists)`,
  violations: ({ limitFactor }) => `
    with windows as (
      select phone_number_id, at_ms, w.name, w.requests, w.ms
      from (select phone_number_id, at_ms,
                   count(*) over (partition by phone_number_id order by at_ms range between 59999 preceding and current row) as minute,
                   count(*) over (partition by phone_number_id order by at_ms range between 999 preceding and current row) as second
            from g_posts) p
      cross join lateral (values ('per minute', minute, 60000), ('per second', second, 1000)) w(name, requests, ms)
    ), template_windows as (
      select waba_id, at_ms, count(*) over (partition by waba_id order by at_ms range between 59999 preceding and current row) as requests
      from g_template_lists
    ), judged as (
      select w.name, c.id::text as of, c.id as connection_id, w.phone_number_id, null as waba_id, w.requests, w.at_ms, w.ms,
             ${limitFactor} * case w.name when 'per minute' then c.per_minute else floor(c.per_second * 1.05) end as allowed
      from windows w
      join accounts.connection_intervals i on i.phone_number_id = w.phone_number_id
        and i.connected_at <= to_timestamp(w.at_ms / 1000.0) and (i.disconnected_at is null or i.disconnected_at > to_timestamp(w.at_ms / 1000.0))
      join accounts.connections c on c.id = i.connection_id
      union all
      select 'template lists per minute', w.waba_id, null, null, w.waba_id, w.requests, w.at_ms, 60000, ${limitFactor * templateCalls} * c.connections
      from template_windows w
      cross join lateral (
        select count(distinct i.connection_id) as connections from accounts.connection_intervals i
        where i.waba_id = w.waba_id and i.connected_at <= to_timestamp(w.at_ms / 1000.0)
          and (i.disconnected_at is null or i.disconnected_at > to_timestamp(w.at_ms / 1000.0) - interval '1 minute')) c
      where c.connections > 0
    )
    select distinct on (of, name) connection_id, phone_number_id, waba_id, name as "limit", allowed, requests,
           to_timestamp((at_ms - ms + 1) / 1000.0) as "from", to_timestamp(at_ms / 1000.0) as "to",
           count(*) over (partition by of, name) as windows_over
    from judged where requests > allowed
    order by of, name, requests desc`,
  gap: `select 'bot replies: the system has no bots yet'`,
}
