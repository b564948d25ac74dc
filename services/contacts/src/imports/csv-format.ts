/** Where a record begins, and what reading from there needs to know of the file. */
export interface CsvPlace {
  /** Bytes and lines before it. */
  bytes: number
  lines: number
  delimiter: string
}

/** A longer record is no contact but a quote that was never closed. */
export const maxRecordBytes = 16_000

/** How a file is parsed, whatever its delimiter is. */
export const parseOptions = {
  max_record_size: maxRecordBytes,
  record_delimiter: ['\r\n', '\n', '\r'],
  relax_column_count: true,
  relax_quotes: true,
  skip_empty_lines: true,
}
