import { pipeline, Readable } from 'node:stream'
import { AppError } from '@lockstep/contracts'
import { CsvError, parse } from 'csv-parse'
import { csvError } from './csv-errors.ts'
import { type CsvPlace, parseOptions } from './csv-format.ts'
import { findHeader, type IsHeader, readHead, refuseOtherEncodings } from './csv-header.ts'

/** A record of a file. */
export interface CsvRow {
  /** Line of the file, from 1, on which it begins. */
  line: number
  fields: string[]
  /** Where the next one begins. */
  next: CsvPlace
}

/**
 * Reads a CSV from the header that `isHeader` finds, else from its first record. Throws `invalid`
 * with a message for the file's owner.
 */
export async function* readCsv(
  pieces: AsyncIterator<Buffer>,
  isHeader: IsHeader = (_names, at) => at === 0,
): AsyncGenerator<CsvRow> {
  const head = await readHead(pieces)
  if (head.length === 0) throw new AppError('invalid', 'The file is empty')
  refuseOtherEncodings(head)
  const { place, titleRecords } = findHeader(head, isHeader)
  let above = titleRecords
  for await (const row of readFrom(place, joined(head.subarray(place.bytes), pieces)))
    if (above-- <= 0) yield row
}

/** Reads on from the place where the pieces begin. */
export async function* readFrom(
  place: CsvPlace,
  pieces: AsyncIterable<Buffer>,
): AsyncGenerator<CsvRow> {
  const { bytes, lines, delimiter } = place
  const parser = parse({ ...parseOptions, bom: bytes === 0, delimiter, info: true })
  const unparsed = new Unparsed()
  pipeline(Readable.from(unparsed.watch(pieces)), parser, () => {})
  let countedTwice = 0 // csv-parse counts a \r\n inside quotes as two lines
  let linesBefore = lines
  try {
    for await (const { record, info } of parser as AsyncIterable<{
      record: string[]
      info: { lines: number; bytes: number }
    }>) {
      countedTwice += occurrences(record, /\r\n/g)
      const lastLine = lines + info.lines - countedTwice
      const next = { bytes: bytes + info.bytes, lines: lastLine, delimiter }
      linesBefore = lastLine
      unparsed.forget(info.bytes)
      yield { line: lastLine - occurrences(record, /\r\n|\r|\n/g), fields: record, next }
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error
    throw csvError(error, linesBefore, unparsed.text(), delimiter)
  }
}

async function* joined(head: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield head
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value
}

/** The bytes that a parser has read of a file but not yet made a record of. */
class Unparsed {
  #pieces: Buffer[] = []
  #from = 0

  async *watch(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const piece of pieces) {
      this.#pieces.push(piece)
      yield piece
    }
  }

  /** Drops what stands before a byte. */
  forget(before: number): void {
    while (this.#pieces[0] && this.#from + this.#pieces[0].length <= before)
      this.#from += this.#pieces.shift()!.length
    const rest = before - this.#from
    if (rest <= 0 || !this.#pieces[0]) return
    this.#pieces[0] = this.#pieces[0].subarray(rest)
    this.#from = before
  }

  text(): string {
    return Buffer.concat(this.#pieces).toString('utf8')
  }
}

const occurrences = (record: string[], pattern: RegExp): number =>
  record.reduce((n, field) => n + (field.match(pattern)?.length ?? 0), 0)
