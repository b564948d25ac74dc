import { type LogLine, type PostLine, readLog } from '@lockstep/meta-simulator'
import type { Run } from './invariant.ts'

/**
 * The simulator's log as tables. `g_posts`: every POST of a message, with what its token names. `g_elements`: what was in
 * webhooks that were answered 200, each time; `key` is the same for the same element (see `elementKey`). `g_template_lists`: every
 * GET of a page of a WABA's templates.
 */
const tables = `
  create temp table g_posts (
    seq bigint, at_ms bigint, phone_number_id text, recipient text, category text, outcome text, wamid text,
    token text, campaign_id uuid, attempt_id bigint
  ) on commit preserve rows;
  create temp table g_elements (seq bigint, at_ms bigint, delivery_id text, key text, wamid text, status text, message_id text)
    on commit preserve rows;
  create temp table g_template_lists (seq bigint, at_ms bigint, waba_id text) on commit preserve rows`

const postColumns =
  'seq bigint, at_ms bigint, phone_number_id text, recipient text, category text, outcome text, wamid text, token text, campaign_id uuid, attempt_id bigint'
const elementColumns =
  'seq bigint, at_ms bigint, delivery_id text, key text, wamid text, status text, message_id text'
const templateListColumns = 'seq bigint, at_ms bigint, waba_id text'

/** Reads a log into temporary tables, some thousand lines at a time. */
export async function loadLog(run: Run, path: string): Promise<void> {
  await run(tables)
  const posts = batches(run, 'g_posts', postColumns)
  const elements = batches(run, 'g_elements', elementColumns)
  const templateLists = batches(run, 'g_template_lists', templateListColumns)
  for await (const line of readLog(path)) {
    if (line.kind === 'post') await posts.add(postRow(line))
    if (line.kind === 'delivery' && line.httpStatus === 200)
      for (const row of elementRows(line)) await elements.add(row)
    if (line.kind === 'template-list')
      await templateLists.add({ seq: line.seq, at_ms: Math.floor(line.atMs), waba_id: line.wabaId })
  }
  await posts.flush()
  await elements.flush()
  await templateLists.flush()
  await run(
    'create index on g_posts (attempt_id); create index on g_posts (wamid); create index on g_elements (key)',
  )
  await run('analyze g_posts; analyze g_elements')
}

/** A token names an attempt of a campaign as `lk1.c.<campaign>.<attempt>.<tag>` (packages/whatsapp/src/token.ts). */
const campaignToken =
  /^lk1\.c\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.(\d{1,18})\.[0-9a-f]{12}$/

function postRow({
  seq,
  atMs,
  phoneNumberId,
  recipient,
  template,
  outcome,
  wamid,
  callback,
}: PostLine): object {
  const [, campaign, attempt] = callback?.match(campaignToken) ?? []
  return {
    seq,
    at_ms: Math.floor(atMs),
    phone_number_id: phoneNumberId,
    recipient,
    category: template?.category,
    outcome,
    wamid,
    token: callback,
    campaign_id: campaign,
    attempt_id: attempt,
  }
}

function* elementRows({
  seq,
  startedAtMs,
  id,
  elements,
}: Extract<LogLine, { kind: 'delivery' }>): Generator<object> {
  for (const element of elements) {
    const common = { seq, at_ms: Math.floor(startedAtMs), delivery_id: id }
    if ('wamid' in element)
      yield { ...common, key: elementKey(element), wamid: element.wamid, status: element.status }
    else if ('messageId' in element)
      yield { ...common, key: elementKey(element), message_id: element.messageId }
    // A body doesn't carry the simulator's id of an event, so events are told apart by field only.
    else yield { ...common, key: elementKey(element) }
  }
}

/** One name for one thing that a webhook can say, wherever it is found. */
export function elementKey(
  element: { wamid: string; status: string } | { messageId: string } | { field: string },
): string {
  if ('wamid' in element) return `status ${element.status} ${element.wamid}`
  return 'messageId' in element ? `message ${element.messageId}` : `event ${element.field}`
}

const batchRows = 2_000

/** Rows on their way into a table; adding waits while a full batch is written. */
export function batches(run: Run, table: string, columns: string) {
  let rows: object[] = []
  async function flush(): Promise<void> {
    if (rows.length === 0) return
    // PostgreSQL's text can't hold U+0000, and nothing that is compared here may.
    const json = JSON.stringify(rows).replaceAll('\\u0000', '\\ufffd')
    rows = []
    await run(`insert into ${table} select * from json_to_recordset($1::json) as r(${columns})`, [
      json,
    ])
  }
  return {
    flush,
    async add(row: object): Promise<void> {
      rows.push(row)
      if (rows.length >= batchRows) await flush()
    },
  }
}
