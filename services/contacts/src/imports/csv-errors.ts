import { AppError } from '@lockstep/contracts'
import type { CsvError } from 'csv-parse'
import { maxRecordBytes } from './csv-format.ts'

/** What is wrong, with the line on which the quotation mark opens, or the record begins. */
export function csvError(
  error: CsvError,
  linesBefore: number,
  unparsed: string,
  delimiter: string,
): AppError {
  const opens = openQuoteLine(unparsed, delimiter)
  const where = ` on line ${linesBefore + (opens ?? longLine(unparsed))}`
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

/** The line, from 1, on which the quotation mark stands that is open at the end of a text. */
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
