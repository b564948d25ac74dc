import {
  openWebhookReceiver,
  type ReceivedPost,
  until,
  type WebhookReceiver,
} from '@lockstep/testing'
import { judge } from '../requirements.ts'
import type { FaultRun } from '../run.ts'
import { type FaultScenario, killInTurn } from '../scenario.ts'

/** An event's first post fails so often, as a share. */
const failing = 0.1

export const followers: FaultScenario = {
  name: 'followers',
  guarantee:
    'SIGKILL of events and of what tells them, and a server of an integrator that fails: it gets every event, and those of one subject in order',
  processes: ['events', 'campaigns', 'conversations'],
  simulator: { shares: { reply: 0.3 } },
  perSecond: 20,
  async run(run, size) {
    const accepted: ReceivedPost[] = []
    const failed = new Set<string>()
    await using receiver = await openWebhookReceiver((post, response) => {
      const isFirst = !failed.has(post.event.id)
      if (isFirst && run.dice(1, 100) <= failing * 100) {
        failed.add(post.event.id)
        if (run.dice(0, 1)) response.destroy()
        else response.writeHead(503).end()
      } else {
        accepted.push(post)
        response.end('{}')
      }
    })
    const { url } = receiver
    await run.system.clients.events.createEndpoint(
      { url, description: '', topics: ['campaigns', 'conversations', 'imports'] },
      run.tenant,
    )
    const total = size === 'full' ? 1_500 : 400
    const { id } = await run.startCampaign(total)
    await killInTurn(run, this.processes, { id, total, rounds: size === 'full' ? 3 : 1 })
    await run.finish(id)
    await untilDelivered(run)
    const verdict = judge(run)
    judgeOrder(verdict, await eventIds(run), accepted)
    judgeIds(verdict, receiver)
    run.note(`${accepted.length} posts accepted, ${failed.size} refused at first`)
    verdict.end()
  },
}

const untilDelivered = (run: FaultRun) =>
  until(async () => {
    const pending = await run.system.world.sql(
      "select from events.webhook_deliveries where state = 'pending'",
    )
    return pending.length === 0
  }, 60_000)

const eventIds = async (run: FaultRun) =>
  (
    await run.system.world.sql<{ id: string }>(
      'select id::text from events.events where account_id = $1 and topic = any($2) order by events.id',
      [run.tenant.accountId, ['campaigns', 'conversations', 'imports']],
    )
  ).map(({ id }) => id)

type Verdict = ReturnType<typeof judge>

/** Each event has been accepted, and the first time after those before it about its subject. */
function judgeOrder(verdict: Verdict, ids: string[], accepted: ReceivedPost[]): void {
  const seen = new Set<string>()
  const last = new Map<string, bigint>()
  let late = 0
  for (const { event } of accepted) {
    if (seen.has(event.id)) continue
    seen.add(event.id)
    const id = BigInt(event.id)
    if (id < (last.get(event.subject_id) ?? 0n)) late++
    else last.set(event.subject_id, id)
  }
  const missing = ids.filter((id) => !seen.has(id)).length
  const all = `${missing} of ${ids.length}`
  verdict.fact('events that never arrived', all, '0', ids.length > 0 && missing === 0)
  verdict.fact('events after a later one of their subject', `${late}`, '0', late === 0)
}

/** However often an event is posted, its webhook-id is the same, so that a receiver knows it. */
function judgeIds(verdict: Verdict, { posts }: WebhookReceiver): void {
  const ids = new Map<string, Set<unknown>>()
  for (const { event, headers } of posts)
    ids.set(event.id, (ids.get(event.id) ?? new Set()).add(headers['webhook-id']))
  const several = [...ids.values()].filter((each) => each.size > 1).length
  verdict.fact('events posted with several ids', `${several} of ${ids.size}`, '0', several === 0)
}
