import { type Database, openDatabase } from '@lockstep/database'
import { recipientState } from '../../../services/campaigns/src/attempt.ts'
import { type StoredAttempt, writeAttempts } from '../../../services/campaigns/src/db/attempts.ts'
import { writeRecipients } from '../../../services/campaigns/src/db/recipients.ts'
import { addStatistics } from '../../../services/campaigns/src/db/statistics.ts'
import { count, noStatistics } from '../../../services/campaigns/src/statistics.ts'
import { insertMessages, updateConversations } from '../../../services/conversations/src/db/store.ts'
import type { Tenant, TestStack } from '../../../test/stack.ts'
import type { Round } from './measure.ts'
import type { AcceptedAttempt, BenchNumber, Stream } from './webhook-stream.ts'

/** Rows of one transaction, as the run beside reached them on average. */
export interface Groups {
  messages: number
  statuses: number
}

/** Writes the rows that the whole system leaves, and nothing else: no webhook, no lane, no lock, no look at what is there. */
export async function openRowWriter({ world }: TestStack, { accountId }: Tenant) {
  await using up = new AsyncDisposableStack()
  const conversations = up.use(await openDatabase({ url: world.roleUrl('conversations'), schema: 'conversations' }))
  const campaigns = up.use(await openDatabase({ url: world.roleUrl('campaigns'), schema: 'campaigns' }))
  const opened = up.move()
  return {
    /** Each number writes its messages and its statuses one group after another, both at once. */
    async write(streams: readonly Stream[], groups: Groups): Promise<Round> {
      const found = await world.sql<{ id: string; connectionId: string }>(
        'select id, connection_id as "connectionId" from conversations.conversations',
      )
      const conversationsOf = Map.groupBy(found, (row) => row.connectionId)
      const latenciesMs: number[] = []
      const inTurn = async <Row>(rows: readonly Row[], size: number, write: (group: Row[]) => Promise<void>) => {
        for (let i = 0; i < rows.length; i += size) {
          const from = performance.now()
          await write(rows.slice(i, i + size))
          latenciesMs.push(performance.now() - from)
        }
      }
      const from = performance.now()
      const writing = streams.flatMap(({ number, inbound, attempts }) => {
        const ids = (conversationsOf.get(number.connectionId) ?? []).map(({ id }) => id)
        const messages = inbound.map((wamid, i) => messageOf(wamid, ids[i % ids.length]!))
        return [
          inTurn(messages, groups.messages, (group) => writeMessages(conversations, accountId, number, group)),
          inTurn(attempts, groups.statuses, (group) => writeStatuses(campaigns, accountId, number, group)),
        ]
      })
      await Promise.all(writing)
      const elapsedMs = performance.now() - from
      const operations = streams.reduce((sum, { inbound, attempts }) => sum + inbound.length + attempts.length, 0)
      return { operations, elapsedMs, latenciesMs }
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

export type RowWriter = Awaited<ReturnType<typeof openRowWriter>>

type Message = Parameters<typeof insertMessages>[2][number]

function messageOf(wamid: string, conversationId: string): Message {
  const at = new Date()
  const text = 'Is it still there?'
  const none = { contextWamid: undefined, targetWamid: undefined, media: undefined, content: undefined }
  const plain = { forwarded: false, frequentlyForwarded: false, referredProduct: undefined, referral: undefined }
  const payload = { id: wamid, type: 'text', text: { body: text }, timestamp: String(at.getTime()) }
  return { conversationId, wamid, type: 'text', text, at, ...none, ...plain, payload, receivedAt: at }
}

async function writeMessages(db: Database, accountId: string, { connectionId }: BenchNumber, messages: Message[]): Promise<void> {
  const windowUntil = new Date(Date.now() + 86_400_000)
  const grown = Map.groupBy(messages, (message) => message.conversationId)
  await db.transaction(accountId, async (tx) => {
    await insertMessages(tx, connectionId, messages)
    await updateConversations(
      tx,
      [...grown].toSorted().map(([conversationId, its]) => ({ conversationId, count: its.length, windowUntil })),
    )
  })
}

async function writeStatuses(db: Database, accountId: string, { campaignId }: BenchNumber, statuses: AcceptedAttempt[]): Promise<void> {
  const attempts = statuses.map((status) => ({ ...afterStatus(status), campaignId }))
  const recipients = attempts.map((attempt) => {
    return { campaignId, id: attempt.recipientId, state: recipientState(attempt), reason: '', notBefore: null }
  })
  const change = noStatistics()
  for (const attempt of attempts) {
    count(change, 'accepted', null, -1)
    count(change, recipientState(attempt), attempt, 1)
  }
  await db.transaction(accountId, async (tx) => {
    await writeAttempts(tx, attempts)
    await writeRecipients(tx, recipients)
    await addStatistics(tx, new Map([[campaignId, change]]))
  })
}

function afterStatus({ id, recipientId, wamid, kind }: AcceptedAttempt): Omit<StoredAttempt, 'campaignId'> {
  const at = new Date()
  const facts = { sentAt: null, deliveredAt: null, readAt: null, failedAt: null, [`${kind}At`]: at }
  return { id, recipientId, wamid, outcome: 'accepted', acceptedAt: at, code: null, words: '', ...facts }
}
