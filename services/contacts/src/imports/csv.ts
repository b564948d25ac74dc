import { pipeline, Readable } from 'node:stream'
import { AppError } from '@lockstep/contracts'
import { CsvError, parse } from 'csv-parse'
import { parse as parseSync } from 'csv-parse/sync'

/** A record of a file. */
export interface CsvRow {
  /** Line of the file, from 1, on which it begins. */
  line: number
  fields: string[]
  /** Where the next one begins. */
  next: CsvPlace
}

/** Where a record begins, and what reading from there needs to know of the file. */
export interface CsvPlace {
  /** Bytes and lines before it. */
  bytes: number
  lines: number
  delimiter: string
}

/** A longer record is no contact but a quote that was never closed. */
const maxRecordBytes = 16_000
/** The first line of the table stands in so many bytes, below so many lines of a title at most. */
const headBytes = 2 * maxRecordBytes
const maxTitleRecords = 10

const readOptions = {
  max_record_size: maxRecordBytes,
  record_delimiter: ['\r\n', '\n', '\r'],
  relax_column_count: true,
  relax_quotes: true,
  skip_empty_lines: true,
}

type IsHeader = (names: string[], at: number) => boolean

/**
 * Reads a CSV record by record from the first that is a header, from pieces of any size; a mark at its beginning, a line "sep=;", empty
 * lines, any line end, quoted line breaks, and commas, semicolons, tabs or bars between fields are understood. Without a header it
 * begins with the first record. Throws `invalid`, in words for the person who made the file, when it is none.
 */
export async function* readCsv(
  pieces: AsyncIterator<Buffer>,
  isHeader: IsHeader = (_names, at) => at === 0,
): AsyncGenerator<CsvRow> {
  const head = await takeHead(pieces)
  if (head.length === 0) throw new AppError('invalid', 'The file is empty')
  refuseOtherEncodings(head)
  const { place, title } = findHeader(head, isHeader)
  let above = title
  for await (const row of readFrom(place, joined(head.subarray(place.bytes), pieces)))
    if (above-- <= 0) yield row
}

/** Reads on from a place, as `readCsv` would; the pieces begin there. */
export async function* readFrom(
  place: CsvPlace,
  pieces: AsyncIterable<Buffer>,
): AsyncGenerator<CsvRow> {
  const { bytes, lines, delimiter } = place
  const parser = parse({ ...readOptions, bom: bytes === 0, delimiter, info: true })
  const unparsed = new Unparsed()
  pipeline(Readable.from(unparsed.watch(pieces)), parser, () => {})
  let countedTwice = 0 // csv-parse counts a \r\n inside quotes as two lines
  let before = lines
  try {
    for await (const { record, info } of parser as AsyncIterable<{
      record: string[]
      info: { lines: number; bytes: number }
    }>) {
      countedTwice += occurrences(record, /\r\n/g)
      const lastLine = lines + info.lines - countedTwice
      const next = { bytes: bytes + info.bytes, lines: lastLine, delimiter }
      before = lastLine
      unparsed.forget(info.bytes)
      yield { line: lastLine - occurrences(record, /\r\n|\r|\n/g), fields: record, next }
    }
  } catch (error) {
    throw error instanceof CsvError ? inWords(error, before, unparsed.text(), delimiter) : error
  }
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

/** The first bytes of a file: so many that its header is among them, or all. */
async function takeHead(pieces: AsyncIterator<Buffer>): Promise<Buffer> {
  const taken: Buffer[] = []
  for (let length = 0; length < headBytes; ) {
    const next = await pieces.next()
    if (next.done) break
    taken.push(next.value)
    length += next.value.length
  }
  return Buffer.concat(taken)
}

async function* joined(head: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield head
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value
}

function refuseOtherEncodings(head: Buffer): void {
  const mark = head.subarray(0, 2).toString('hex')
  if (mark === 'fffe' || mark === 'feff' || head.subarray(0, 1_000).includes(0))
    throw new AppError(
      'invalid',
      'The file is UTF-16, a spreadsheet or another binary file; save it as "CSV UTF-8"',
    )
}

const delimiters = [',', ';', '\t', '|']

/** Where the table begins, how many records of a title stand above its header, and what stands between its fields. */
function findHeader(head: Buffer, isHeader: IsHeader): { place: CsvPlace; title: number } {
  const [line, named] =
    /^\ufeff?"?sep=(.)"?(?:\r\n|\n|\r)/i.exec(head.toString('utf8', 0, 16)) ?? []
  const place = { bytes: line ? Buffer.byteLength(line) : 0, lines: line ? 1 : 0 }
  const found: { delimiter: string; title: number; columns: number }[] = []
  for (const delimiter of named ? [named] : delimiters) {
    const records = firstRecords(head.subarray(place.bytes), delimiter)
    const at = records.findIndex(isHeader)
    const title = at < 0 ? Infinity : at
    found.push({ delimiter, title, columns: records[Math.max(at, 0)]?.length ?? 0 })
  }
  const { delimiter, title } = found.reduce((best, next) =>
    next.title < best.title || (next.title === best.title && next.columns > best.columns)
      ? next
      : best,
  )
  return { place: { ...place, delimiter }, title: title === Infinity ? 0 : title }
}

/** The first records that can be read: the head may end within quotes, and what is wrong with a file is said when it is read. */
function firstRecords(head: Buffer, delimiter: string): string[][] {
  const records: string[][] = []
  const keep = (record: string[]) => {
    records.push(record)
    return null
  }
  try {
    parseSync(head, {
      ...readOptions,
      bom: true,
      delimiter,
      to: maxTitleRecords + 1,
      on_record: keep,
    })
  } catch (error) {
    if (!(error instanceof CsvError)) throw error
  }
  return records
}

const occurrences = (record: string[], pattern: RegExp): number =>
  record.reduce((n, field) => n + (field.match(pattern)?.length ?? 0), 0)

/** What is wrong, with the line on which the quotation mark opens, or the record begins. */
function inWords(error: CsvError, before: number, unparsed: string, delimiter: string): AppError {
  const opens = openQuoteLine(unparsed, delimiter)
  const where = ` on line ${before + (opens ?? longLine(unparsed))}`
  if (error.code === 'CSV_QUOTE_NOT_CLOSED')
    return new AppError('invalid', `A quotation mark that opens${where} is never closed`, {
      cause: error,
    })
  if (error.code === 'CSV_MAX_RECORD_SIZE') {
    const hint =
      opens === undefined ? '' : `: perhaps the quotation mark that opens${where} is not closed`
    return new AppError(
      'invalid',
      `The row${where} is longer than ${maxRecordBytes / 1000} kB${hint}`,
      { cause: error },
    )
  }
  return new AppError('invalid', `The file can't be read as CSV${where}`, { cause: error })
}

const longLine = (text: string): number =>
  text.split(/\r\n|\r|\n/).findIndex((line) => Buffer.byteLength(line) > maxRecordBytes) + 1

/** The line, from 1, of the quotation mark at the beginning of a field that is open at the end of a text. */
function openQuoteLine(text: string, delimiter: string): number | undefined {
  let line = 1
  let opened: number | undefined
  let before = '\n'
  for (const [sign] of text.matchAll(/""|\r\n|[\s\S]/g)) {
    if (opened !== undefined) opened = sign === '"' ? undefined : opened
    else if (sign.startsWith('"') && (before === delimiter || /[\r\n]/.test(before)))
      opened = sign === '""' ? undefined : line
    if (/^[\r\n]/.test(sign)) line++
    before = sign
  }
  return opened
}
