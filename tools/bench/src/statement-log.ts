import { open } from 'node:fs/promises'
import type { Watcher } from './watcher.ts'

/** A node of a plan, as EXPLAIN writes it in JSON. */
export interface PlanNode {
  'Node Type': string
  'Relation Name'?: string
  'Index Name'?: string
  'Actual Rows'?: number
  'Actual Loops'?: number
  'Rows Removed by Filter'?: number
  Plans?: PlanNode[]
}

/** One statement that a service ran, alone or inside a function. */
export interface LoggedStatement {
  /** The schema and role that ran it. */
  role: string
  text: string
  ms: number
  plan: PlanNode
}

/**
 * Has PostgreSQL write down every statement of new sessions with its plan, by `auto_explain`, which comes with it: also those
 * inside functions, which nobody can EXPLAIN from outside. Plans are generic ones, as a prepared statement has in the long run.
 * For servers of one's own.
 */
export async function logStatements({ sql }: Pick<Watcher, 'sql'>): Promise<void> {
  const settings = {
    session_preload_libraries: 'auto_explain',
    'auto_explain.log_min_duration': '0',
    'auto_explain.log_nested_statements': 'on',
    'auto_explain.log_analyze': 'on',
    'auto_explain.log_timing': 'off',
    'auto_explain.log_format': 'json',
    plan_cache_mode: 'force_generic_plan',
    log_line_prefix: '%u|%d|%p ',
  }
  await sql("load 'auto_explain'") // its settings have no meaning before
  for (const [name, value] of Object.entries(settings)) await sql(`alter system set ${name} = '${value}'`)
  await sql('select pg_reload_conf()')
}

export interface StatementLog {
  /** Goes through what was written to the log since this was opened. */
  read(each: (statement: LoggedStatement) => void): Promise<void>
}

/** The statements of one database, from the end of the server's log on. */
export async function openStatementLog(file: string, database: string): Promise<StatementLog> {
  const start = await sizeOf(file)
  return {
    async read(each) {
      const handle = await open(file)
      let record = ''
      const end = () => {
        const statement = parse(record, database)
        if (statement) each(statement)
      }
      try {
        for await (const line of handle.readLines({ start })) {
          if (line.startsWith('\t')) record += `${line}\n`
          else {
            end()
            record = `${line}\n`
          }
        }
        end()
      } finally {
        await handle.close().catch(() => undefined)
      }
    },
  }
}

async function sizeOf(file: string): Promise<number> {
  const handle = await open(file)
  try {
    return (await handle.stat()).size
  } finally {
    await handle.close()
  }
}

const head = /^(\S+?)\|(\S+?)\|\d+ LOG: {2}duration: ([\d.]+) ms {2}plan:\n/

function parse(record: string, database: string): LoggedStatement | undefined {
  const match = head.exec(record)
  if (!match || match[2] !== database) return undefined
  const { 'Query Text': text, Plan: plan } = JSON.parse(record.slice(match[0].length))
  return { role: match[1]!, text: oneLine(text), ms: Number(match[3]), plan }
}

/** Two statements that differ in white space or in how long a list is are one. */
const oneLine = (text: string): string =>
  text
    .replace(/\s+/g, ' ')
    .replace(/\(\$\d+(, \$\d+)+\)/g, '(…)')
    .trim()

/** A plan and all that is below it. */
export function nodesOf(plan: PlanNode): PlanNode[] {
  return [plan, ...(plan.Plans ?? []).flatMap(nodesOf)]
}
