import { webhookLanesBy } from '@lockstep/contracts'
import { inboundMessages, parseWebhook, statuses } from '@lockstep/whatsapp'
import { batches, elementKey } from '../ground-truth.ts'
import type { Invariant, Run } from '../invariant.ts'

/** Parts without an effect of their own, for a reason that they name. */
const excused = `('dead', 'wrong_app', 'no_connection', 'over_share')`
const ofNumbers = webhookLanesBy('phone number id').map((lane) => `'${lane}'`)
/** What waits or is dead longer than its day is kept stands apart. */
const everyPart = `(
  select id, body_id, received_at, lane, field, elements, content, outcome, reason from webhook_gateway.webhook_parts
  union all
  select id, body_id, received_at, lane, field, elements, content, outcome, reason from webhook_gateway.webhook_parts_unresolved)`
/** Bodies are kept for so long; of older ones only the effect is left. */
const kept = `interval '7 days'`
/** Messages are kept for no less; of what came before, the effect may be gone (LOCKSTEP_MESSAGE_RETENTION_DAYS). */
const messagesKept = `interval '30 days'`

/**
 * Three questions: is each element that was answered 200 among the stored parts as often as it was answered; does each part
 * either wait in its lane or have an outcome; has each status and message exactly one effect? One that still waits is right:
 * L2 says whether it waits too long. Events have no id in their body, so of them only the number stored is checked.
 */
export const webhookEffects: Invariant = {
  id: 'I4',
  statement:
    'Every webhook element answered 200 is stored and has exactly one effect in the end, or its part waits in its lane, or is dead, wrong_app, no_connection or over its share.',
  means:
    'A status or a message was lost after Meta had been told that it arrived, or counted twice.',
  rows: 'afterLog',
  needs: 'log',
  prepare: loadStoredElements,
  checked: `select (select count(*) from g_elements) + (select count(*) from ${everyPart} p)`,
  violations: `
    with answered as (
      select key, min(wamid) as wamid, min(status) as status, min(message_id) as message_id, count(*) as times,
             count(*) filter (where at_ms > extract(epoch from now() - ${kept}) * 1000) as times_kept,
             max(at_ms) > extract(epoch from now() - ${messagesKept}) * 1000 as is_young
      from g_elements group by key
    ), stored as (
      select key, sum(copies) as copies, bool_or(outcome is null) as waits, bool_or(outcome not in ${excused}) as acted
      from stored_elements group by key
    ), effects as (
      select n.key, case n.status when 'sent' then count(a.sent_at) when 'delivered' then count(a.delivered_at)
                                  when 'read' then count(a.read_at) when 'failed' then count(a.failed_at) end as effects
      from answered n join g_posts p on p.wamid = n.wamid join campaigns.attempts a on a.id = p.attempt_id
      where n.status in ('sent', 'delivered', 'read', 'failed') group by n.key, n.status
      union all
      select n.key, count(m.id) from answered n left join conversations.messages m on m.wamid = n.message_id and m.direction = 'in'
      where n.message_id is not null group by n.key, n.is_young having n.is_young or count(m.id) > 0
    )
    select 'answered 200 ' || n.times_kept || ' times, stored ' || coalesce(s.copies, 0) || ' times' as problem,
           n.key as element, null::bigint as part_id, null::text as outcome
    from answered n left join stored s using (key) where n.times_kept > coalesce(s.copies, 0)
    union all
    select case when e.effects = 0 then 'has no effect' else 'has ' || e.effects || ' effects' end, e.key, null, null
    from effects e left join stored s using (key)
    where e.effects > 1 or (e.effects = 0 and s.acted and not s.waits)
    union all
    select case when p.outcome is null and d.id is null then 'waits in no lane'
                when p.outcome is null then 'its entry is dead, it is not'
                when p.outcome = 'dead' then 'is dead without an entry or a reason'
                else 'has an outcome and an open entry' end,
           null, p.id, p.outcome
    from ${everyPart} p
    left join webhook_gateway.feed_open f on f.row_id = p.id::text and f.lane = p.lane
    left join webhook_gateway.feed_dead d on d.row_id = p.id::text and d.lane = p.lane
    where case when p.outcome is null then f.id is null
               when p.outcome = 'dead' then d.id is null or p.reason is null
               else f.id is not null end
    union all
    select 'is no_connection, though its app has had the number or WABA for a minute', null, p.id, p.outcome
    from webhook_gateway.webhook_parts p join accounts.connections k on k.app_id = p.app_id and k.disconnected_at is null
      and p.key = case when p.lane in (${ofNumbers}) then k.phone_number_id else k.waba_id end
    where p.outcome = 'no_connection' and greatest(p.outcome_at, k.connected_at) < now() - interval '60 seconds'`,
}

interface PartRow {
  id: string
  outcome: string | null
  field: string | null
  elements: number
  bytes: Buffer | null
}

const parts = `
  select p.id, p.outcome, p.field, p.elements, coalesce(p.content, b.raw) as bytes
  from ${everyPart} p
  left join webhook_gateway.webhook_bodies b on p.content is null and b.id = p.body_id and b.received_at = p.received_at`

/** Reads all stored parts, a few at a time, and writes down what each holds. */
async function loadStoredElements(run: Run): Promise<void> {
  await run(
    'create temp table stored_elements (key text, copies integer, part_id bigint, outcome text) on commit drop',
  )
  const rows = batches(
    run,
    'stored_elements',
    'key text, copies integer, part_id bigint, outcome text',
  )
  await run(`declare stored_parts no scroll cursor for ${parts}`)
  for (;;) {
    const fetched = await run<PartRow>('fetch 100 from stored_parts')
    if (fetched.length === 0) break
    for (const part of fetched)
      for (const { key, copies } of elementsOf(part))
        await rows.add({ key, copies, part_id: part.id, outcome: part.outcome })
  }
  await rows.flush()
  await run('close stored_parts; create index on stored_elements (key); analyze stored_elements')
}

function elementsOf({ field, elements, bytes }: PartRow): { key: string; copies: number }[] {
  if (field !== null && field !== 'messages')
    return [{ key: elementKey({ field }), copies: elements }]
  const parsed = parseWebhook(bytes ?? Buffer.alloc(0))
  const named = [
    ...statuses(parsed).map(elementKey),
    ...inboundMessages(parsed).map(({ wamid }) => elementKey({ messageId: wamid })),
  ]
  return named.map((key) => ({ key, copies: 1 }))
}
