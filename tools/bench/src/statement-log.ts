import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import type { Watcher } from './watcher.ts'

/** A node of a plan, as EXPLAIN writes it in JSON. */
export interface PlanNode {
  'Node Type': string
  'Relation Name'?: string
  Schema?: string
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
    'auto_explain.log_verbose': 'on', // names schemas
    'auto_explain.log_timing': 'off',
    'auto_explain.log_format': 'json',
    plan_cache_mode: 'force_generic_plan',
    log_connections: 'on', // they say whose session a process is
  }
  await sql("load 'auto_explain'") // its settings have no meaning before
  for (const [name, value] of Object.entries(settings))
    await sql(`alter system set ${name} = '${value}'`)
  await sql('select pg_reload_conf()')
}

export interface StatementLog {
  /** Goes through the statements that were written down since this was opened. */
  read(each: (statement: LoggedStatement) => void): Promise<void>
}

/** The statements of one database, from now on; the log's lines begin with a time and a process. */
export async function openStatementLog(file: string, database: string): Promise<StatementLog> {
  const { size: start } = await stat(file)
  return {
    async read(each) {
      const roles = new Map<string, string>()
      const take = (record: string, at: number) => {
        const session = connected.exec(record)
        if (session) roles.set(session[1]!, session[3] === database ? session[2]! : '')
        const planned = at >= start ? explained.exec(record) : null
        const role = planned && roles.get(planned[1]!)
        if (planned && role) each(parse(role, planned, record))
      }
      let record = ''
      let at = 0
      let next = 0
      for await (const line of createInterface({ input: createReadStream(file, 'utf8') })) {
        if (line.startsWith('\t')) record += `${line}\n`
        else {
          take(record, at)
          record = `${line}\n`
          at = next
        }
        next += Buffer.byteLength(line) + 1
      }
      take(record, at)
    },
  }
}

const connected = /^\S+ \S+ \S+ \[(\d+)\] LOG: {2}connection authorized: user=(\S+) database=(\S+)/
const explained = /^\S+ \S+ \S+ \[(\d+)\] LOG: {2}duration: ([\d.]+) ms {2}plan:\n/

function parse(role: string, [head, , ms]: RegExpExecArray, record: string): LoggedStatement {
  const { 'Query Text': text, Plan: plan } = JSON.parse(record.slice(head.length))
  return { role, text: oneLine(text), ms: Number(ms), plan }
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
