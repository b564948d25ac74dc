import { pipeline, Readable } from 'node:stream'
import { AppError } from '@lockstep/contracts'
import { CsvError, parse } from 'csv-parse'

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

/**
 * Reads a CSV record by record, the header first, from pieces of any size; a mark at its beginning, empty lines, any line end,
 * quoted line breaks, and commas, semicolons or tabs between fields are understood. Throws `invalid`, in words for the person who
 * made the file, when it is none.
 */
export async function* readCsv(pieces: AsyncIterator<Buffer>): AsyncGenerator<CsvRow> {
  const head = (await pieces.next()).value as Buffer | undefined
  if (!head?.length) throw new AppError('invalid', 'The file is empty')
  refuseOtherEncodings(head)
  yield* readFrom({ bytes: 0, lines: 0, delimiter: detectDelimiter(head.toString('utf8')) }, joined(head, pieces))
}

/** Reads on from a place, as `readCsv` would; the pieces begin there. */
export async function* readFrom(place: CsvPlace, pieces: AsyncIterable<Buffer>): AsyncGenerator<CsvRow> {
  const { bytes, lines, delimiter } = place
  const parser = parse({
    bom: bytes === 0,
    delimiter,
    info: true,
    max_record_size: maxRecordBytes,
    record_delimiter: ['\r\n', '\n', '\r'],
    relax_column_count: true,
    relax_quotes: true,
    skip_empty_lines: true,
  })
  pipeline(Readable.from(pieces), parser, () => {})
  let countedTwice = 0 // csv-parse counts a \r\n inside quotes as two lines
  try {
    for await (const { record, info } of parser as AsyncIterable<{ record: string[]; info: { lines: number; bytes: number } }>) {
      countedTwice += occurrences(record, /\r\n/g)
      const lastLine = lines + info.lines - countedTwice
      const next = { bytes: bytes + info.bytes, lines: lastLine, delimiter }
      yield { line: lastLine - occurrences(record, /\r\n|\r|\n/g), fields: record, next }
    }
  } catch (error) {
    throw error instanceof CsvError ? inWords(error, lines) : error
  }
}

async function* joined(head: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield head
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value
}

function refuseOtherEncodings(head: Buffer): void {
  const mark = head.subarray(0, 2).toString('hex')
  if (mark === 'fffe' || mark === 'feff' || head.subarray(0, 1_000).includes(0))
    throw new AppError('invalid', 'The file is UTF-16, a spreadsheet or another binary file; save it as "CSV UTF-8"')
}

/** The separator that the header has most of, outside quotes. */
function detectDelimiter(head: string): string {
  const header = (/^(?:"[^"]*"|[^"\r\n])*/.exec(head)?.[0] ?? '').replace(/"[^"]*"/g, '')
  const count = (delimiter: string) => header.split(delimiter).length
  return [',', ';', '\t'].reduce((best, next) => (count(next) > count(best) ? next : best))
}

const occurrences = (record: string[], pattern: RegExp): number => record.reduce((n, field) => n + (field.match(pattern)?.length ?? 0), 0)

function inWords(error: CsvError, before: number): AppError {
  const { lines } = error as CsvError & { lines?: number }
  const where = lines === undefined ? '' : ` near line ${before + lines}`
  if (error.code === 'CSV_QUOTE_NOT_CLOSED')
    return new AppError('invalid', `A quotation mark that opens${where} is never closed`, { cause: error })
  if (error.code === 'CSV_MAX_RECORD_SIZE')
    return new AppError('invalid', `A row${where} is longer than ${maxRecordBytes / 1000} kB: perhaps a quotation mark is not closed`, {
      cause: error,
    })
  return new AppError('invalid', `The file can't be read as CSV${where}`, { cause: error })
}
