import type { InboundPerson } from '@lockstep/rpc/gen/contacts'
import { readPreference } from '../../../services/contacts/src/consents/consent.ts'
import { readConsentWord } from '../../../services/contacts/src/consents/consent-words.ts'
import { readPart } from '../../../services/conversations/src/inbound/read-part.ts'
import { batches } from './ground-truth.ts'
import type { Run } from './invariant.ts'

/**
 * `g_said`: every stop and start in the webhooks that were answered 200, as of their receipt, whatever became of their parts. Not of
 * parts that belong to nobody (`wrong_app`), nor of those that a person has given up (`dismissed`).
 */
const table = `
  create temp table g_said (
    account_id uuid, number text, person text, kind text, via text, evidence text, said_at timestamptz, received_at timestamptz
  )`

const columns =
  'account_id uuid, number text, person text, kind text, via text, evidence text, said_at timestamptz, received_at timestamptz'

interface PartRow {
  id: string
  accountId: string
  number: string
  receivedAt: Date
  body: Buffer
}

const pageRows = 1_000

const parts = `
  select p.id::text, a.account_id as "accountId", p.key as number, p.received_at as "receivedAt", p.body
  from (
    select p.id, p.app_id, p.lane, p.key, p.outcome, p.received_at,
           coalesce(p.content, (select b.raw from webhook_gateway.webhook_bodies b where b.id = p.body_id and b.received_at = p.received_at)) as body
    from webhook_gateway.webhook_parts p
    union all
    select p.id, p.app_id, p.lane, p.key, p.outcome, p.received_at, p.content from webhook_gateway.webhook_parts_unresolved p
  ) p join accounts.apps a on a.id = p.app_id
  where p.lane = 'webhooks.message' and coalesce(p.outcome, 'open') not in ('wrong_app', 'dismissed') and p.id > $1 and p.body is not null
  order by p.id limit ${pageRows}`

/** Reads the parts of all numbers, some at a time. */
export async function loadSaid(run: Run): Promise<void> {
  await run(table)
  const rows = batches(run, 'g_said', columns)
  for (let page: PartRow[], last = '0'; ; last = page.at(-1)!.id) {
    page = await run<PartRow>(parts, [last])
    for (const part of page) for (const row of saidIn(part)) await rows.add(row)
    if (page.length < pageRows) break
  }
  await rows.flush()
  await run('create index on g_said (account_id, person); analyze g_said')
}

function* saidIn({ id, accountId, number, receivedAt, body }: PartRow): Generator<object> {
  const entry = {
    id,
    kind: '',
    accountId,
    rowId: id,
    body,
    attempts: 0,
    asOfMs: receivedAt.getTime(),
    appId: '',
    key: number,
  }
  const { messages, updates } = readPart(entry, number)
  for (const person of [...messages.map((message) => message.person), ...updates])
    for (const said of statementsOf(person))
      for (const name of [person.waId, person.userId])
        if (name)
          yield {
            account_id: accountId,
            number,
            person: name,
            ...said,
            evidence: person.wamid,
            received_at: receivedAt,
          }
}

/** As contacts reads them (services/contacts/src/rpc/record-inbound.ts). */
function statementsOf({
  text,
  button,
  stopOnly,
  preference,
  atMs,
}: Omit<InboundPerson, 'ref'>): { kind: string; via: string; said_at: Date }[] {
  const words = (button ? text.split('\n') : [text]).map(readConsentWord)
  const word = words.includes('opt_out') ? 'opt_out' : stopOnly ? undefined : words.find(Boolean)
  const chosen = readPreference(preference)
  const said_at = new Date(atMs)
  return [
    ...(word ? [{ kind: word, via: button ? 'button' : 'word', said_at }] : []),
    ...(chosen ? [{ kind: chosen, via: 'preference', said_at }] : []),
  ]
}
