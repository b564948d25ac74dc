import { expect, test } from 'vitest'
import { type CsvRow, readCsv, readFrom } from '../src/imports/csv.ts'

async function* pieces(bytes: Buffer, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function all(rows: AsyncIterable<CsvRow>): Promise<CsvRow[]> {
  const found = []
  for await (const row of rows) found.push(row)
  return found
}

const file =
  '\ufeffphone;name\n\n1;"Jos\u00e9\nof two lines"\n2;"a ""b"""\n\n\n3;\n"4";x;y\n5;\u{1f600}'

test.each([
  ['line feeds', '\n'],
  ['carriage returns and line feeds', '\r\n'],
  ['carriage returns', '\r'],
])(
  'reading on from any row of a file with %s finds the same rows on the same lines as reading it at one go',
  async (_name, end) => {
    const bytes = Buffer.from(file.replaceAll('\n', end))
    const whole = await all(readCsv(pieces(bytes, 1_000)))
    expect(whole.map((row) => row.line)).toEqual([1, 3, 5, 8, 9, 10])
    for (const size of [1_000, 7, 1])
      for (const [at, { next }] of whole.entries())
        expect(await all(readFrom(next, pieces(bytes.subarray(next.bytes), size)))).toEqual(
          whole.slice(at + 1),
        )
  },
)

const lf = (n: number) => `${n},x\n`
const crlf = (n: number) => `${n},x\r\n`
test.each([
  ['a header with CRLF and rows with LF', `a,b\r\n${lf(2)}${lf(3)}${lf(4)}`, [2, 3, 4]],
  [
    'a row with LF appended to a file with CRLF',
    `a,b\r\n${crlf(2)}${crlf(3)}${lf(4)}${crlf(5)}`,
    [2, 3, 4, 5],
  ],
  ['quoted breaks of all kinds', 'a,b\n2,"x\r\ny\nz\rw"\r\n6,x\n7,"\r\n"\r\n9,x', [2, 6, 7, 9]],
  ['empty lines of all kinds', 'a,b\r\n\n\r\n4,x\n\n\r\n7,x\r\r9,x', [4, 7, 9]],
  ['a title above', 'People\n\r\na,b\r\n4,x\n', [4]],
  ['a line that names the separator', 'sep=,\r\na,b\n3,x\r\n', [3]],
])(
  '%s: each row is one row on its line, whatever the size of the pieces, and from any row on',
  async (_name, text, lines) => {
    const bytes = Buffer.from(text)
    const isHeader = (names: string[]) => names.includes('a')
    for (const size of [1_000, 3, 1]) {
      const [, ...rows] = await all(readCsv(pieces(bytes, size), isHeader))
      expect(rows.map(({ line, fields }) => [line, Number(fields[0]), fields.length])).toEqual(
        lines.map((line) => [line, line, 2]),
      )
      for (const [at, { next }] of rows.entries())
        expect(await all(readFrom(next, pieces(bytes.subarray(next.bytes), size)))).toEqual(
          rows.slice(at + 1),
        )
    }
  },
)

const rows = (n: number) => 'x,y\n'.repeat(n)
test.each([
  ['in the second line', `a,b\n1,"A\n${rows(3)}`, /opens on line 2 is never closed/],
  ['in the last line', `a,b\n${rows(3)}1,"A`, /opens on line 5 is never closed/],
  [
    'after a quoted break',
    `a,b,c\r\n1,"x\r\ny","z\r\n${rows(3)}`,
    /opens on line 3 is never closed/,
  ],
  [
    'far above the end',
    `a,b\n${rows(5_000)}1,"A\n${rows(5_000)}`,
    /row on line 5002 is longer than 16 kB.* opens on line 5002/,
  ],
])(
  'a quotation mark that is not closed %s is named by the line on which it opens',
  async (_name, text, message) => {
    for (const size of [100_000, 1_000])
      await expect(all(readCsv(pieces(Buffer.from(text), size)))).rejects.toThrow(message)
  },
)

test('a row that is too long without any quotation mark is named by its line', async () => {
  await expect(
    all(readCsv(pieces(Buffer.from(`a,b\n1,x\n${'y'.repeat(17_000)}\n`), 1_000))),
  ).rejects.toThrow(/^The row on line 3 is longer than 16 kB$/)
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
