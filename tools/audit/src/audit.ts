import { existsSync } from 'node:fs'
import { Client } from 'pg'
import { loadLog } from './ground-truth.ts'
import type { Invariant, Run, Settings, Source } from './invariant.ts'
import { invariants } from './invariants/index.ts'

export interface AuditOptions {
  /** A superuser's URL of the system's database: invariants look across schemas and accounts. For tests and operators only. */
  adminUrl: string
  /** The simulator's log, the ground truth. Without it, what needs it is reported as not checked. */
  simulatorLog?: string
  /** `redis://` of the system's locks; without it they are reported as not checked. */
  redisUrl?: string
  /** `nats://` of the system's lanes; without it they are reported as not checked. */
  natsUrl?: string
  /**
   * Also asserts that nothing is left to do; a number is the seconds that work may be overdue, a wake-up or a lock may be kept
   * and a campaign may stand still (30, for a lock 20, for a campaign 120 unless given).
   */
  settled?: boolean | number
  /** Ids of the invariants to check, e.g. `['I2', 'I6']`; all unless given. */
  only?: readonly string[]
  /** Redis lost its data within the log: twice a rate limit is allowed then. */
  redisWasFlushed?: boolean
}

/** What was found about one invariant. */
export interface AuditResult {
  id: string
  statement: string
  /** What a violation means. */
  means: string
  /** How many things were looked at. */
  checked: number
  violations: number
  /** The first 20 rows that break it. */
  rows: Record<string, unknown>[]
  /** Why it was not checked, or which part of it was not. */
  notChecked?: string
  ms: number
}

/** In the order of `src/invariants/index.ts`. */
export interface AuditReport {
  invariants: AuditResult[]
}

/** The 120 s are those of L1: a campaign stands still no longer. */
const usual = { settledSeconds: 30, finalSeconds: 120 }
const rowsShown = 20

/**
 * Checks the invariants on the system's rows, the simulator's log, Redis and NATS, also while all of them are being written.
 * Changes nothing. Throws when one of them does not answer.
 */
export async function audit(options: AuditOptions): Promise<AuditReport> {
  const { simulatorLog, redisUrl, natsUrl } = options
  if (simulatorLog && !existsSync(simulatorLog))
    throw new Error(`There is no simulator log at ${simulatorLog}`)
  const chosen = choose(options)
  const settings: Settings = {
    isSettled: Boolean(options.settled),
    ...(typeof options.settled === 'number'
      ? { settledSeconds: options.settled, finalSeconds: options.settled }
      : usual),
    limitFactor: options.redisWasFlushed ? 2 : 1,
    redisUrl,
    natsUrl,
  }
  const sources: Record<Source, boolean> = {
    rows: true,
    log: Boolean(simulatorLog),
    redis: Boolean(redisUrl),
    nats: Boolean(natsUrl),
  }
  const client = new Client({
    connectionString: options.adminUrl,
    application_name: 'lockstep-audit',
  })
  await client.connect()
  try {
    const run: Run = async (text, params) => (await client.query(text, params)).rows
    const results = new Map<string, AuditResult>()
    const check = async (rows: Invariant['rows']) => {
      for (const invariant of chosen.filter((i) => i.rows === rows))
        results.set(invariant.id, await checkOne(run, invariant, settings, sources))
    }
    await openSnapshot(run)
    if (simulatorLog && chosen.some(({ needs }) => needs === 'log'))
      await loadLog(run, simulatorLog)
    await check('beforeLog')
    await run('commit')
    await openSnapshot(run)
    await check('afterLog')
    await run('commit')
    return { invariants: chosen.map(({ id }) => results.get(id)!) }
  } finally {
    await client.end()
  }
}

/** True when something is violated. */
export function isViolated(report: AuditReport): boolean {
  return report.invariants.some((result) => result.violations > 0)
}

function choose({ only, settled }: AuditOptions): Invariant[] {
  const unknown = only?.find((id) => !invariants.some((invariant) => invariant.id === id))
  if (unknown)
    throw new Error(
      `There is no invariant "${unknown}"; there are ${invariants.map((i) => i.id).join(', ')}`,
    )
  return invariants.filter(({ id, onlySettled }) =>
    only ? only.includes(id) : !onlySettled || settled,
  )
}

/** The snapshot is taken by the first statement, not by `begin`. */
async function openSnapshot(run: Run): Promise<void> {
  await run('begin isolation level repeatable read')
  await run("set local work_mem = '64MB'")
  await run('select 1')
}

interface Found {
  checked: string
  violations: string
  rows: Record<string, unknown>[]
  gap: string | null
}

const missing: Record<Source, string> = {
  rows: 'it needs the rows',
  log: "it needs the simulator's log",
  redis: 'it needs the address of Redis',
  nats: 'it needs the address of NATS',
}

async function checkOne(
  run: Run,
  invariant: Invariant,
  settings: Settings,
  sources: Record<Source, boolean>,
): Promise<AuditResult> {
  const startedAt = performance.now()
  const { id, statement, means } = invariant
  const result = (
    found: Pick<AuditResult, 'checked' | 'violations' | 'rows'>,
    notChecked: string | null,
  ): AuditResult => ({
    id,
    statement,
    means,
    ...found,
    ...(notChecked && { notChecked }),
    ms: Math.round(performance.now() - startedAt),
  })
  const nothing = { checked: 0, violations: 0, rows: [] }
  if (!sources[invariant.needs]) return result(nothing, missing[invariant.needs])
  const [blocked] = invariant.blocked
    ? await run<{ reason: string | null }>(`select (${invariant.blocked}) as reason`)
    : []
  if (blocked?.reason) return result(nothing, blocked.reason)
  await invariant.prepare?.(run, settings)
  const violations =
    typeof invariant.violations === 'string' ? invariant.violations : invariant.violations(settings)
  const [found] = await run<Found>(
    `with v as materialized (${violations})
     select (select count(*) from v) as violations, (${invariant.checked}) as checked, (${invariant.gap ?? 'null::text'}) as gap,
            (select coalesce(json_agg(first), '[]') from (select * from v limit ${rowsShown}) first) as rows`,
  )
  const { checked, gap, rows } = found!
  return result({ checked: Number(checked), violations: Number(found!.violations), rows }, gap)
}
