import { AppError } from '@lockstep/contracts'
import { CsvError } from 'csv-parse'
import { parse } from 'csv-parse/sync'
import { type CsvPlace, maxRecordBytes, parseOptions } from './csv-format.ts'

/** The first line of the table stands in so many bytes, below so many lines of a title at most. */
const headBytes = 2 * maxRecordBytes
const maxTitleRecords = 10

export type IsHeader = (names: string[], at: number) => boolean

export interface Header {
  /** Where the table begins. */
  place: CsvPlace
  /** Records of a title that stand above its first line. */
  titleRecords: number
}

/** The first bytes of a file: so many that its header is among them, or all. */
export async function readHead(pieces: AsyncIterator<Buffer>): Promise<Buffer> {
  const read: Buffer[] = []
  for (let length = 0; length < headBytes; ) {
    const next = await pieces.next()
    if (next.done) break
    read.push(next.value)
    length += next.value.length
  }
  return Buffer.concat(read)
}

/** Throws `invalid` for a file that is no UTF-8 text. */
export function refuseOtherEncodings(head: Buffer): void {
  const mark = head.subarray(0, 2).toString('hex')
  if (mark === 'fffe' || mark === 'feff' || head.subarray(0, 1_000).includes(0))
    throw new AppError(
      'invalid',
      'The file is UTF-16, a spreadsheet or another binary file; save it as "CSV UTF-8"',
    )
}

const delimiters = [',', ';', '\t', '|']

/** The delimiter that shows a header soonest, of several the one with the most columns. */
export function findHeader(head: Buffer, isHeader: IsHeader): Header {
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
  return { place: { ...place, delimiter }, titleRecords: title === Infinity ? 0 : title }
}

/** The first records that can be read: the head may end within quotes. */
function firstRecords(head: Buffer, delimiter: string): string[][] {
  const records: string[][] = []
  const keep = (record: string[]) => {
    records.push(record)
    return null
  }
  try {
    parse(head, {
      ...parseOptions,
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
