import { stripVTControlCharacters, styleText } from 'node:util'
import Table from 'cli-table3'
import type { Measured } from './bench.ts'
import { totalOf } from './cpu.ts'
import type { Comparison, Figure } from './measure.ts'

export interface Result extends Measured {
  bench: string
  /** When it began, ISO 8601. */
  at: string
  seconds: number
  quick: boolean
  /** Load average of the machine as the run began; `noisy` when others were working. */
  load: number
  noisy: boolean
  /** Peak resident memory in bytes by process: `bench` is the one that measures. */
  peakMemory: Record<string, number>
}

/** True when a ratio is below the one to reach, or a check failed. */
export function missed({ comparisons, checks }: Measured): boolean {
  return comparisons.some(falls) || checks.some(({ ok }) => !ok)
}

const falls = ({ ratio, reach }: Comparison): boolean => reach !== undefined && ratio < reach

/** Columns of the comparison, the same on a terminal and in the document. */
const head = ['', 'per second', 'p50 ms', 'p99 ms', 'ratio', 'to reach']

function rowsOf({ what, work, floor, peers, others, ratio, reach }: Comparison): string[][] {
  const cells = ({ perSecond, p50Ms, p99Ms }: Figure) => [whole(perSecond), ms(p50Ms), ms(p99Ms)]
  return [
    [what, ...cells(work), ratio.toFixed(2), reach === undefined ? '' : `≥ ${reach}`],
    [`  floor: ${floor.name}`, ...cells(floor), '', ''],
    ...peers.map((peer) => [
      `  peer: ${peer.name}`,
      ...cells(peer),
      `${peer.ratio.toFixed(2)}×`,
      '',
    ]),
    ...others.map((other) => [
      `  beside: ${other.name}`,
      ...cells(other),
      `${other.ratio.toFixed(2)}×`,
      '',
    ]),
  ]
}

/** CPU an operation of each contender, a column a process; nothing when it was not measured. */
function cpuTable({ comparisons }: Result): { titles: string[]; rows: string[][] } {
  const figures = comparisons.flatMap(({ what, work, floor, peers, others, cpuRatio }) => [
    { name: what, figure: work, ratio: cpuRatio?.toFixed(2) ?? '' },
    ...[floor, ...peers, ...others].map((figure) => ({
      name: `  ${figure.name}`,
      figure,
      ratio: '',
    })),
  ])
  const processes = [...new Set(figures.flatMap(({ figure }) => Object.keys(figure.cpu)))]
  const us = (value: number | undefined) =>
    value === undefined ? '' : value.toFixed(value < 10 ? 1 : 0)
  return {
    titles: ['CPU, µs an operation', 'all', '÷ floor', ...processes],
    rows: figures
      .filter(({ figure }) => Object.keys(figure.cpu).length > 0)
      .map(({ name, figure, ratio }) => [
        name,
        us(totalOf(figure.cpu)),
        ratio,
        ...processes.map((process) => us(figure.cpu[process])),
      ]),
  }
}

function tables({ tables = [], ...result }: Result): { titles: string[]; rows: string[][] }[] {
  return [cpuTable(result), ...tables].filter(({ rows }) => rows.length > 0)
}

/** A result for people at a terminal. */
export function printResult(result: Result, isTerminal: boolean): string {
  const paint = (style: 'red' | 'green' | 'yellow' | 'bold' | 'dim', text: string) =>
    styleText(style, text, { validateStream: false })
  const border = { style: { head: [], border: ['dim'] } }
  const tableOf = (titles: string[]) =>
    new Table({
      ...border,
      head: titles,
      colAligns: titles.map((_, i) => (i === 0 ? 'left' : 'right')),
    })
  const table = tableOf(head)
  for (const comparison of result.comparisons) {
    const [work = [], ...others] = rowsOf(comparison)
    const verdict = comparison.reach === undefined ? 'bold' : falls(comparison) ? 'red' : 'green'
    table.push(work.map((cell, i) => (i === 4 ? paint(verdict, cell) : cell)))
    for (const other of others) table.push(other.map((cell) => paint('dim', cell)))
  }
  const checks = result.checks.map(
    ({ what, found, reach, ok }) =>
      `  ${ok ? paint('green', '✓') : paint('red', '✗')} ${what}: ${found} (${reach})`,
  )
  const grown = result.growth.map(
    ({ size, what, us, ratio }) =>
      `  ${size.padStart(3)}  ${what}: ${us.toFixed(0)} µs each, ratio ${ratio.toFixed(2)}`,
  )
  const further = tables(result).map(({ titles, rows }) => {
    const each = tableOf(titles)
    each.push(...rows)
    return `${each}`
  })
  const text = [
    paint('bold', result.bench),
    ...(result.comparisons.length > 0 ? [`${table}`] : []),
    ...further,
    ...checks,
    ...(grown.length > 0 ? ['', 'How the cost grows', ...grown] : []),
    '',
    `Size: ${result.size}`,
    `Peak memory: ${memory(result)}`,
    result.noisy ? paint('yellow', noise(result)) : noise(result),
    '',
  ].join('\n')
  return isTerminal ? text : stripVTControlCharacters(text)
}

/** A result as a section of `docs/benchmarks.md`. */
export function toMarkdown(result: Result): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.trim()).join(' | ')} |`
  const tableOf = (titles: string[], rows: string[][]) =>
    rows.length === 0 ? [] : [line(titles), line(titles.map(() => '---')), ...rows.map(line), '']
  return [
    `## ${result.bench}`,
    '',
    ...tableOf(head, result.comparisons.flatMap(rowsOf)),
    ...tables(result).flatMap(({ titles, rows }) => tableOf(titles, rows)),
    ...tableOf(
      ['', 'found', 'to reach', ''],
      result.checks.map(({ what, found, reach, ok }) => [
        what,
        found,
        reach,
        ok ? 'yes' : '**no**',
      ]),
    ),
    ...tableOf(
      ['size', 'of what', 'µs each', 'ratio'],
      result.growth.map(({ size, what, us, ratio }) => [
        size,
        what,
        us.toFixed(0),
        ratio.toFixed(2),
      ]),
    ),
    `Size: ${result.size}. Peak memory: ${memory(result)}. ${noise(result)}`,
    '',
  ].join('\n')
}

/** Puts a section into the document in place of the one with its title, or at the end. */
export function replaceSection(document: string, section: string): string {
  const title = section.slice(0, section.indexOf('\n'))
  const parts = document.split(/^(?=## )/m)
  const at = parts.findIndex((part) => part.startsWith(`${title}\n`))
  if (at < 0) return `${document.trimEnd()}\n\n${section}`
  parts[at] = at < parts.length - 1 ? `${section}\n` : section
  return parts.join('')
}

function noise({ at, seconds, load, noisy }: Result): string {
  const when = `${at.slice(0, 10)}, ${seconds.toFixed(0)} s, load ${load.toFixed(2)} as it began`
  return noisy ? `Noisy: others were working on this machine (${when}).` : `Calm machine (${when}).`
}

function memory({ peakMemory }: Result): string {
  const each = Object.entries(peakMemory).map(
    ([name, bytes]) => `${name} ${Math.round(bytes / 1e6)} MB`,
  )
  return each.length > 0 ? each.join(', ') : 'not known on this system'
}

const whole = (n: number): string => Math.round(n).toLocaleString('en-US')
const ms = (n: number): string => (n < 10 ? n.toFixed(2) : n.toFixed(1))
