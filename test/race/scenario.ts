import type { LockName } from '@lockstep/contracts'
import { NotSettled, type Race } from './system.ts'
import { type Mutation, nothingTaken, type Taken } from './without.ts'

/** What may keep concurrent work right; each can be taken away alone. */
export const layers = ['lock', 'other locks', 'lane', 'fence', 'rows', 'pair limit'] as const
export type Layer = (typeof layers)[number]

/** One guard of an operation, and how it is taken away. */
export interface Guard extends Partial<Taken> {
  /** The guard in words, for the table. */
  is: string
  /** Statements that drop constraints, and those that give them back once the rows of the race are gone. */
  drop?: string[]
  restore?: string[]
}

/** Work that several processes do at the same time, and how to see that something went wrong. */
export interface Work<Subject = unknown> {
  /** Tables whose writes are made slow, so that two that may meet do meet: what is done to them, and for how many seconds. */
  slow: { table: string; on: 'insert' | 'update'; seconds: number }[]
  /** Statements that are made slow in themselves, e.g. between one row lock and the next; with guards and without. */
  slowStatements?: Mutation[]
  /** Makes what the processes race for, with all guards in place. */
  prepare(race: Race): Promise<Subject>
  /** Has all processes do the operation at the same time. */
  collide(race: Race, subject: Subject): Promise<void>
  /** Each thing that is wrong afterwards, in words. */
  conflicts(race: Race, subject: Subject): Promise<string[]>
}

/** An operation under a lock, raced by several processes. */
export interface Scenario<Subject = unknown> extends Work<Subject> {
  lock: LockName
  operation: string
  guards: Partial<Record<Layer, Guard>>
}

/** Keeps a scenario's own subject type where it is written, and lets all stand in one list. */
export const scenario = <Subject>(given: Scenario<Subject>): Scenario =>
  given as unknown as Scenario

export interface Measured {
  conflicts: number
  rounds: number
  /** The first conflicts, in words. */
  what: string[]
}

/** The guards of some layers of a scenario, as far as it has them. */
export const guardsOf = ({ guards }: Scenario, chosen: readonly Layer[] = layers): Guard[] =>
  chosen.flatMap((layer) => guards[layer] ?? [])

/** Races work without some guards, until there is a conflict or so many rounds have passed. */
export async function measure(
  race: Race,
  work: Work,
  off: Guard[],
  maxRounds: number,
): Promise<Measured> {
  for (let rounds = 1; ; rounds++) {
    const what = await round(race, work, off)
    if (what.length > 0 || rounds >= maxRounds)
      return { conflicts: what.length, rounds, what: what.slice(0, 3) }
  }
}

async function round(race: Race, work: Work, off: Guard[]): Promise<string[]> {
  const taken = union(work, off)
  const subject = await work.prepare(race)
  await race.settled()
  try {
    await run(race, [...slowly(work), ...off.flatMap((guard) => guard.drop ?? [])])
    await race.take(taken)
    const endless = await endlessWork(race, () => work.collide(race, subject))
    await assertTaken(race, taken)
    return [...endless, ...(await work.conflicts(race, subject)), ...(await deadEntries(race))]
  } finally {
    await race.take(nothingTaken)
    await race.settled().finally(() => run(race, afterwards(work, off)))
  }
}

const afterwards = (work: Work, off: Guard[]) => [
  ...quickly(work),
  ...off.flatMap((guard) => guard.restore ?? []),
]

/** Processes that keep each other from ever being done are a conflict too; once they have their guards back they settle. */
async function endlessWork(race: Race, collide: () => Promise<void>): Promise<string[]> {
  try {
    await collide()
    await race.settled()
    return []
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined
    if (cause instanceof NotSettled) return [cause.message]
    throw error
  }
}

function union({ slowStatements = [] }: Work, guards: Guard[]): Taken {
  return {
    locks: guards.flatMap((guard) => guard.locks ?? []),
    lanes: guards.flatMap((guard) => guard.lanes ?? []),
    statements: [...slowStatements, ...guards.flatMap((guard) => guard.statements ?? [])],
    pairLimit: guards.some((guard) => guard.pairLimit),
    tokenTag: guards.some((guard) => guard.tokenTag),
  }
}

/** A mutation that matches no statement has taken nothing away, and the figure would be a lie. */
async function assertTaken(race: Race, { statements }: Taken): Promise<void> {
  const bites = await race.bites()
  for (const [i, { in: part, replace }] of statements.entries())
    if (!bites[i])
      throw new Error(`No statement with "${part}" lost /${replace}/; has its text changed?`)
}

async function run(race: Race, statements: string[]): Promise<void> {
  for (const statement of statements) await race.sql(statement)
}

function slowly({ slow }: Work): string[] {
  return slow.flatMap(({ table, on, seconds }) => [
    `create trigger race_begin before ${on} on ${table} for each statement execute function race.begin('${seconds}')`,
    `create trigger race_finish after ${on} on ${table} for each statement execute function race.finish()`,
  ])
}

function quickly({ slow }: Work): string[] {
  const drops = slow.flatMap(({ table }) => [
    `drop trigger race_begin on ${table}`,
    `drop trigger race_finish on ${table}`,
  ])
  return [...drops, 'truncate race.writes']
}

/** Work that was given up is a conflict too: nothing is wrong with it. */
async function deadEntries({ sql }: Race): Promise<string[]> {
  const conflicts: string[] = []
  for (const schema of ['contacts', 'templates', 'campaigns', 'conversations', 'webhook_gateway']) {
    const dead = await sql<{ reason: string }>(`delete from ${schema}.feed_dead returning reason`)
    conflicts.push(...dead.map(({ reason }) => `an entry of ${schema} was given up: ${reason}`))
  }
  return conflicts
}

/** Writes to a table by different connections that were under way at the same time: two were in the critical section at once. */
export async function overlaps({ sql }: Race, table: string): Promise<string[]> {
  const [row] = await sql<{ pairs: number }>(
    `select count(*)::int as pairs from race.writes a join race.writes b
     on a.backend < b.backend and a.began < b.ended and b.began < a.ended where a.table_name = $1 and b.table_name = $1`,
    [table],
  )
  return row!.pairs > 0 ? [`${row!.pairs} pairs of runs wrote to ${table} at the same time`] : []
}

/** What has several rows and should have one, in words. */
export async function duplicates(
  { sql }: Race,
  table: string,
  column: string,
  where: string,
  params: unknown[],
): Promise<string[]> {
  const groups = await sql<{ rows: number }>(
    `select count(*)::int as rows from ${table} where ${where} group by ${column} having count(*) > 1 order by rows desc`,
    params,
  )
  return groups.map(({ rows }) => `${table} has ${rows} rows for one ${column}`)
}

/** Takes the fences of a service away: every holder has the same token, and nobody waits for the row. */
export const noFence: Mutation[] = [
  {
    in: 'insert into lock_fences',
    replace: String.raw`lock_fences\.token \+ 1`,
    by: 'lock_fences.token',
  },
  { in: 'select token from lock_fences', replace: ' for update', by: '' },
]
