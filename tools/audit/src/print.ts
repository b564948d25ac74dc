import { stripVTControlCharacters, styleText } from 'node:util'
import Table from 'cli-table3'
import type { AuditReport, AuditResult } from './audit.ts'

/** A report for people: a table, and the offending rows below it. `isTerminal` adds colours. */
export function printReport(report: AuditReport, isTerminal: boolean): string {
  const paint = (style: 'red' | 'green' | 'yellow' | 'bold' | 'dim', text: string) =>
    isTerminal ? styleText(style, text, { validateStream: false }) : text
  const table = new Table({
    head: ['', 'promise', 'looked at', 'violations'],
    colWidths: [5, 84, 12, 13],
    colAligns: ['left', 'left', 'right', 'right'],
    wordWrap: true,
    style: { head: [], border: isTerminal ? ['dim'] : [] },
  })
  for (const { id, statement, checked, violations, notChecked } of report.invariants) {
    const wholly = notChecked && checked === 0
    const verdict = wholly
      ? paint('yellow', 'not checked')
      : violations > 0
        ? paint('red', format(violations))
        : paint('green', '0')
    table.push([
      paint('bold', id),
      notChecked ? `${statement}\n${paint('dim', `Not checked: ${notChecked}.`)}` : statement,
      format(checked),
      verdict,
    ])
  }
  const details = report.invariants
    .filter((result) => result.violations > 0)
    .map((result) => `\n${printRows(result, paint)}`)
  const text = `${table}\n${details.join('')}${paint(details.length > 0 ? 'red' : 'green', summary(report))}\n`
  return isTerminal ? text : stripVTControlCharacters(text)
}

function printRows(
  { id, means, violations, rows }: AuditResult,
  paint: (style: 'red' | 'bold' | 'dim', text: string) => string,
): string {
  const shown =
    rows.length < violations ? `, the first ${rows.length} of ${format(violations)}` : ''
  const lines = rows.map((row) => `  ${Object.entries(row).flatMap(cell).join('  ')}`)
  return `${paint('bold', `${id}${shown}`)}  ${means}\n${lines.join('\n')}\n`

  function cell([name, value]: [string, unknown]): string[] {
    if (value === null) return []
    return [
      name === 'problem'
        ? paint('red', String(value))
        : `${paint('dim', `${name}=`)}${typeof value === 'object' ? JSON.stringify(value) : value}`,
    ]
  }
}

function summary({ invariants }: AuditReport): string {
  const violated = invariants.filter(({ violations }) => violations > 0).map(({ id }) => id)
  const ms = invariants.reduce((sum, result) => sum + result.ms, 0)
  const seconds = `${(ms / 1000).toFixed(1)} s`
  return violated.length > 0
    ? `\nViolated: ${violated.join(', ')} (${seconds})`
    : `No violations (${seconds})`
}

const format = (n: number): string => n.toLocaleString('en-US')
