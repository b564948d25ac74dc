import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { until } from '@lockstep/testing'
import { judge } from '../requirements.ts'
import type { FaultRun } from '../run.ts'
import type { FaultScenario } from '../scenario.ts'

const perSecond = 100
/** What a second must bring once the number sends as it may. */
const atFullRate = 0.75 * perSecond
const recoveryMs = 5_000

interface Cause {
  name: string
  /** What the campaign says meanwhile; null where it need not say anything. */
  words: RegExp | null
  begin(run: FaultRun): Promise<AsyncDisposable>
}

const undo = (work: () => unknown): AsyncDisposable => ({
  [Symbol.asyncDispose]: async () => void (await work()),
})

const causes: Record<'contacts' | 'graph' | 'commits' | 'cpu', Cause> = {
  contacts: {
    name: 'contacts needs 1 s for an answer',
    words: /contacts, which answers slowly/,
    async begin({ ways }) {
      ways!.contacts.slow(1_000)
      return undo(() => ways!.contacts.slow(0))
    },
  },
  graph: {
    name: 'Graph needs 5 s for an answer',
    words: /WhatsApp, which answers slowly|number's limit/,
    async begin({ system }) {
      await system.simulator.client.setSettings({ latencyMs: 5_000 })
      return undo(() => system.simulator.client.setSettings({ latencyMs: { min: 2, max: 20 } }))
    },
  },
  commits: {
    name: 'PostgreSQL needs 100 ms for a commit',
    words: null,
    async begin({ system }) {
      const set = async (us: number) => {
        await system.world.sql(`alter system set commit_delay = ${us}`)
        await system.world.sql('alter system set commit_siblings = 0')
        await system.world.sql('select pg_reload_conf()')
      }
      await set(100_000)
      return undo(() => set(0))
    },
  },
  cpu: {
    name: 'four busy processes a core take the CPU',
    words: null,
    async begin() {
      const busy = Array.from({ length: 4 * availableParallelism() }, () =>
        spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }),
      )
      return undo(() => {
        for (const child of busy) child.kill('SIGKILL')
      })
    },
  },
}

/** All times are real ones: an answer after 5 s must come before the time-out of 10. */
export const slow: FaultScenario = {
  name: 'slow',
  guarantee:
    'contacts at 1 s, commits at 100 ms, Graph at 5 s, the CPU taken by others: nothing is wasted or unknown, the reason is told, and it is over soon',
  processes: ['campaigns'],
  proxies: true,
  perSecond,
  scale: 1,
  async run(run, size) {
    const chosen = size === 'full' ? Object.values(causes) : [causes.contacts]
    for (const cause of chosen) await campaignThrough(run, cause, size === 'full' ? 1_600 : 800)
    judge(run).end()
  },
}

async function campaignThrough(run: FaultRun, cause: Cause, recipients: number): Promise<void> {
  const { note, tenant, system } = run
  const verdict = judge(run)
  const { id } = await run.startCampaign(recipients)
  await until(async () => (await rate(run, id)) >= atFullRate, 30_000)
  note(cause.name)
  const before = await run.accepted(id)
  {
    await using _cause = await cause.begin(run)
    const { words } = cause
    if (words) {
      const reason = await until(async () => {
        const { reason } = await system.campaign(tenant, id)
        return words.test(reason) && reason
      }, 20_000)
      note(reason)
    } else {
      await until(async () => (await run.accepted(id)) >= before + 100, 60_000)
    }
  }
  const well = performance.now()
  await until(async () => (await rate(run, id)) >= atFullRate, 60_000)
  verdict.time(
    `${cause.name}: from its end to full rate`,
    [performance.now() - well],
    'most',
    recoveryMs,
  )
  await run.finish(id)
  const [found] = await system.world.sql<{ attempts: number; unknown: number }>(
    `select count(*)::int as attempts, count(*) filter (where outcome = 'unknown')::int as unknown from campaigns.attempts where campaign_id = $1`,
    [id],
  )
  verdict.fact(
    `${cause.name}: attempts`,
    String(found!.attempts),
    `${recipients}, one a recipient`,
    found!.attempts === recipients,
  )
  verdict.fact(`${cause.name}: unknown`, String(found!.unknown), '0', found!.unknown === 0)
}

/** POSTs that Meta has accepted within the last second. */
async function rate({ system }: FaultRun, id: string): Promise<number> {
  const since = Date.now() - 1_000
  return (await system.simulator.client.accepted({ callbackPrefix: `lk1.c.${id}.` })).filter(
    ({ atMs }) => atMs >= since,
  ).length
}
