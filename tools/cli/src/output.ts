import { stripVTControlCharacters, styleText } from 'node:util'

/** A column of a table: its head, and what of a row stands in it. */
export type Column<Row> = readonly [string, (row: Row) => string | number | null | undefined]

interface Bar {
  update(done: number, total: number, note: string): void
  /** Takes it off the screen. */
  end(): void
}

/** Results go to stdout; what only a person needs while waiting goes to stderr. */
export interface Output {
  json: boolean
  /** One thing: a line of JSON, or a table of its fields. */
  one(value: object): void
  /** Many: a line of JSON each as they come, or a table of them. */
  many<Row extends object>(rows: AsyncIterable<Row>, columns: readonly Column<Row>[]): Promise<void>
  /** One of many that come over time: a line of JSON, or this text. */
  line(value: object, text: string): void
  note(text: string): void
  /** Shown on a terminal only. */
  bar(what: string): Bar
  good(text: string): string
  bad(text: string): string
}

type Style = Parameters<typeof styleText>[0]

export function createOutput(json: boolean): Output {
  const write = (text: string) => void process.stdout.write(`${text}\n`)
  const paint = (style: Style) => (text: string) =>
    styleText(style, text, { stream: process.stdout })
  const bold = paint('bold')
  return {
    json,
    one: (value) => write(json ? JSON.stringify(value) : fieldsText(value, bold)),
    async many(rows, columns) {
      const shown = []
      for await (const row of rows)
        if (json) write(JSON.stringify(row))
        else shown.push(columns.map(([, read]) => cellText(read(row))))
      if (!json) write(tableText([columns.map(([head]) => bold(head)), ...shown]))
    },
    line: (value, text) => write(json ? JSON.stringify(value) : text),
    note: (text) => void (json || process.stderr.write(`${text}\n`)),
    bar: (what) => (json || !process.stderr.isTTY ? noBar : openBar(what)),
    good: paint('green'),
    bad: paint('red'),
  }
}

/** What a terminal would obey is taken out of what others wrote. */
function cellText(value: unknown): string {
  if (value === null || value === undefined) return ''
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value)
  return stripVTControlCharacters(text).replaceAll(/\p{Cc}+/gu, ' ')
}

function fieldsText(value: object, bold: (text: string) => string): string {
  const known = Object.entries(value).filter(([, field]) => field !== undefined)
  const rows = known.map(([name, field]) => [bold(name), cellText(field)])
  return tableText(rows)
}

/** Columns are as wide as their longest cell; the last is not filled up. */
function tableText(rows: readonly (readonly string[])[]): string {
  const wide = (text: string) => [...stripVTControlCharacters(text)].length
  const widths = rows[0]?.map((_, at) => Math.max(...rows.map((row) => wide(row[at]!)))) ?? []
  const lines = rows.map((row) =>
    row
      .map((cell, at) => cell + ' '.repeat(widths[at]! - wide(cell)))
      .join('  ')
      .trimEnd(),
  )
  return lines.join('\n')
}

const noBar: Bar = { update() {}, end() {} }
const cells = 30

function openBar(what: string): Bar {
  return {
    update(done, total, note) {
      const full = Math.round((cells * Math.min(done, total)) / Math.max(1, total))
      const bar = '█'.repeat(full) + '░'.repeat(cells - full)
      process.stderr.write(`\r\x1b[K${what} ${bar} ${done}/${total} ${note}`)
    },
    end: () => void process.stderr.write('\r\x1b[K'),
  }
}
