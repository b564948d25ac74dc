import { stripVTControlCharacters, styleText } from 'node:util'
import { SingleBar } from 'cli-progress'
import Table from 'cli-table3'

/** What a person watches while a command works. All but the last JSON line goes to stderr when `json` is set. */
export interface Screen {
  /** A heading. */
  title(text: string): void
  line(text?: string): void
  /** Runs a step and says how it went and how long it took. */
  step<T>(what: string, work: (say: (detail: string) => void) => Promise<T>): Promise<T>
  /** A bar for work whose size is known; `update` may be called often. */
  bar(
    what: string,
    total: number,
  ): { update(done: number, note?: string): void; end(note?: string): void }
  table(head: string[], rows: (string | number)[][]): void
  /** A word that is good or bad; coloured on a terminal only. */
  good(text: string): string
  bad(text: string): string
  dim(text: string): string
}

export function createScreen(json: boolean): Screen {
  const printer = openPrinter(json ? process.stderr : process.stdout)
  const { write, bold, good, bad, dim } = printer
  return {
    title: (text) => write(`\n${bold(text)}`),
    line: (text = '') => write(text),
    step: (what, work) => showStep(printer, what, work),
    bar: (what, total) => showBar(printer, what, total),
    table: (head, rows) => showTable(printer, head, rows),
    good,
    bad,
    dim,
  }
}

type Printer = ReturnType<typeof openPrinter>

function openPrinter(out: NodeJS.WriteStream) {
  const hasColours = Boolean(out.isTTY && !process.env.NO_COLOR)
  const paint = (style: Parameters<typeof styleText>[0]) => (text: string) =>
    hasColours ? styleText(style, text) : text
  return {
    out,
    hasColours,
    good: paint('green'),
    bad: paint('red'),
    dim: paint('dim'),
    bold: paint('bold'),
    write: (text: string) => void out.write(`${text}\n`),
  }
}

const seconds = (since: number) => `${((performance.now() - since) / 1000).toFixed(1)} s`

async function showStep<T>(
  { out, write, good, bad, dim }: Printer,
  what: string,
  work: (say: (detail: string) => void) => Promise<T>,
): Promise<T> {
  const startedAt = performance.now()
  let detail = ''
  if (out.isTTY) out.write(`  ${what} …`)
  const clear = () => out.isTTY && out.write('\r\x1b[K')
  try {
    const value = await work((text) => {
      detail = text
    })
    clear()
    write(`  ${good('✓')} ${what}${detail ? `: ${detail}` : ''} ${dim(seconds(startedAt))}`)
    return value
  } catch (error) {
    clear()
    write(`  ${bad('✗')} ${what} ${dim(seconds(startedAt))}`)
    throw error
  }
}

function showBar(
  { out, write, good, dim }: Printer,
  what: string,
  total: number,
): ReturnType<Screen['bar']> {
  const startedAt = performance.now()
  const bar = out.isTTY ? progressBar(what, total, out) : null
  let saidQuarters = 0
  return {
    update(done, note = '') {
      bar?.update(done, { note: dim(note) })
      const quarters = Math.floor((done / total) * 4)
      if (!bar && quarters > saidQuarters && done < total)
        write(`    ${what}: ${done} of ${total}${note ? `, ${note}` : ''}`)
      saidQuarters = Math.max(saidQuarters, quarters)
    },
    end(note = '') {
      bar?.stop()
      write(`  ${good('✓')} ${what}${note ? `: ${note}` : ''} ${dim(seconds(startedAt))}`)
    },
  }
}

function showTable(
  { hasColours, write }: Printer,
  head: string[],
  rows: (string | number)[][],
): void {
  const style = hasColours ? { head: ['bold'], border: ['dim'] } : { head: [], border: [] }
  const chars = { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' }
  const table = new Table({ head, style, chars })
  table.push(
    ...rows.map((row) =>
      row.map((cell) =>
        typeof cell === 'number'
          ? { content: cell.toLocaleString('en-US'), hAlign: 'right' as const }
          : cell,
      ),
    ),
  )
  const text = hasColours ? table.toString() : stripVTControlCharacters(table.toString())
  write(text.replace(/^/gm, '  '))
}

function progressBar(what: string, total: number, out: NodeJS.WriteStream): SingleBar {
  const bar = new SingleBar({
    format: `  ${what.padEnd(12)} {bar} {percentage}% {note}`,
    stream: out,
    barsize: 30,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    clearOnComplete: true,
    hideCursor: true,
    fps: 20,
  })
  bar.start(total, 0, { note: '' })
  return bar
}
