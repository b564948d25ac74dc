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
  const out = json ? process.stderr : process.stdout
  const colours = out.isTTY && !process.env.NO_COLOR
  const paint = (style: Parameters<typeof styleText>[0]) => (text: string) =>
    colours ? styleText(style, text) : text
  const [good, bad, dim, bold] = [paint('green'), paint('red'), paint('dim'), paint('bold')]
  const write = (text: string) => void out.write(`${text}\n`)
  const seconds = (since: number) => `${((performance.now() - since) / 1000).toFixed(1)} s`

  return {
    title: (text) => write(`\n${bold(text)}`),
    line: (text = '') => write(text),
    async step(what, work) {
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
    },
    bar(what, total) {
      const startedAt = performance.now()
      const bar = out.isTTY ? progressBar(what, total, out) : null
      let saidTenth = 0
      return {
        update(done, note = '') {
          bar?.update(done, { note: dim(note) })
          const tenth = Math.floor((done / total) * 4)
          if (!bar && tenth > saidTenth && done < total)
            write(`    ${what}: ${done} of ${total}${note ? `, ${note}` : ''}`)
          saidTenth = Math.max(saidTenth, tenth)
        },
        end(note = '') {
          bar?.stop()
          write(`  ${good('✓')} ${what}${note ? `: ${note}` : ''} ${dim(seconds(startedAt))}`)
        },
      }
    },
    table(head, rows) {
      const style = colours ? { head: ['bold'], border: ['dim'] } : { head: [], border: [] }
      const table = new Table({
        head,
        style,
        chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
      })
      table.push(
        ...rows.map((row) =>
          row.map((cell) =>
            typeof cell === 'number'
              ? { content: cell.toLocaleString('en-US'), hAlign: 'right' as const }
              : cell,
          ),
        ),
      )
      const text = colours ? table.toString() : stripVTControlCharacters(table.toString())
      write(text.replace(/^/gm, '  '))
    },
    good,
    bad,
    dim,
  }
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
