import {
  type LoggedStatement,
  nodesOf,
  type PlanNode,
} from '../../tools/bench/src/statement-log.ts'
import type { Exemption } from './exemptions.ts'

/** What a statement may read of one table that grows: a page of a list, a set of a lane, a batch of a sweep. */
const mostRows = 2_500

/** A statement whose cost grows with a table. */
export interface Scan {
  role: string
  table: string
  how: string
  text: string
}

/**
 * Reads of growing tables that an index doesn't bound: sequential scans, and scans that read more rows than a page or a set
 * holds. Day tables are named without their day.
 */
export function scansOf(
  { role, text, plan }: LoggedStatement,
  isGrown: (schema: string, relation: string) => boolean,
): Scan[] {
  return nodesOf(plan).flatMap((node) => {
    const { 'Relation Name': relation = '', Schema: schema = '' } = node
    const how = isGrown(schema, relation) ? waste(node) : undefined
    return how ? [{ role, table: tableOf(relation), how, text }] : []
  })
}

export const tableOf = (relation: string): string => relation.replace(/_\d{8}$/, '')

function waste(node: PlanNode): string | undefined {
  if (node['Node Type'] === 'Seq Scan') return 'sequential scan'
  if (!node['Node Type'].includes('Scan')) return undefined // what writes rows tells of them, too
  const loops = node['Actual Loops'] ?? 0
  const read = ((node['Actual Rows'] ?? 0) + (node['Rows Removed by Filter'] ?? 0)) * loops
  return read > mostRows ? `${node['Node Type']} that reads more than ${mostRows} rows` : undefined
}

export function isExempt({ table, text }: Scan, exemptions: readonly Exemption[]): boolean {
  return exemptions.some((each) => each.table === table && text.includes(each.text))
}

/** Each kind of scan once, with how often it was seen. */
export function summary(scans: readonly Scan[]): string[] {
  return [...Map.groupBy(scans, (scan) => JSON.stringify(scan)).values()].map((same) => {
    const { role, table, how, text } = same[0]!
    return `${role}: ${how} of ${table}, ${same.length} times: ${text.slice(0, 400)}`
  })
}
