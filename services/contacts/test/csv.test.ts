import { expect, test } from 'vitest'
import { type CsvRow, readCsv, readFrom } from '../src/csv.ts'

async function* pieces(bytes: Buffer, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function all(rows: AsyncIterable<CsvRow>): Promise<CsvRow[]> {
  const found = []
  for await (const row of rows) found.push(row)
  return found
}

const file = '\ufeffphone;name\n\n1;"Jos\u00e9\nof two lines"\n2;"a ""b"""\n\n\n3;\n"4";x;y\n5;\u{1f600}'

test.each([
  ['line feeds', '\n'],
  ['carriage returns and line feeds', '\r\n'],
  ['carriage returns', '\r'],
])('reading on from any row of a file with %s finds the same rows on the same lines as reading it at one go', async (_name, end) => {
  const bytes = Buffer.from(file.replaceAll('\n', end))
  const whole = await all(readCsv(pieces(bytes, 1_000)))
  expect(whole.map((row) => row.line)).toEqual([1, 3, 5, 8, 9, 10])
  for (const size of [1_000, 7, 1])
    for (const [at, { next }] of whole.entries())
      expect(await all(readFrom(next, pieces(bytes.subarray(next.bytes), size)))).toEqual(whole.slice(at + 1))
})

test('a file whose lines end in several ways is read line by line', async () => {
  const rows = await all(readCsv(pieces(Buffer.from('a,b\n1,2\r\n3,4\r5,6'), 1_000)))
  expect(rows.map(({ line, fields }) => [line, ...fields])).toEqual([
    [1, 'a', 'b'],
    [2, '1', '2'],
    [3, '3', '4'],
    [4, '5', '6'],
  ])
})
