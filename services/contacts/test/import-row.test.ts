import { expect, test } from 'vitest'
import { isHeader, readHeader, reportOf } from '../src/imports/columns.ts'
import type { Country } from '../src/imports/country.ts'
import { readCsv } from '../src/imports/csv.ts'
import { readRow } from '../src/imports/read-row.ts'

const ana = '+4915100000001'

/** What the rows of a file mean, by their line, and what its columns were taken for. */
async function read(text: string, country?: Country) {
  async function* pieces() {
    const bytes = Buffer.from(text)
    for (let at = 0; at < bytes.length; at += 11) yield bytes.subarray(at, at + 11)
  }
  const rows = readCsv(pieces(), isHeader)
  const columns = readHeader((await rows.next()).value!.fields)
  const people = []
  for await (const { line, fields } of rows) {
    const row = readRow(columns, fields, country)
    if (row) people.push({ line, ...row })
  }
  return { columns: columns.map(reportOf), people }
}

const takenFor = async (header: string) =>
  (await read(`${header}\n`)).columns.map((column) => column.takenFor)

test.each([
  [
    'Name,Given Name,Family Name,Labels,Phone 1 - Label,Phone 1 - Value',
    ['name', 'first_name', 'last_name', 'attribute', 'attribute', 'phone'],
  ],
  [
    'First Name,Last Name,Email,Phone Number,Mobile Phone Number,WhatsApp Phone Number',
    ['first_name', 'last_name', 'attribute', 'phone', 'phone', 'phone'],
  ],
  ['Vorname;Nachname;Handynummer;Abgemeldet', ['first_name', 'last_name', 'phone', 'opted_out']],
  [
    'Nombre;Apellidos;Teléfono móvil;Dado de baja',
    ['first_name', 'last_name', 'phone', 'opted_out'],
  ],
  ['Nome;Celular;CEP', ['first_name', 'phone', 'attribute']],
  ['Prénom\tNom\tTéléphone\tDésabonné', ['first_name', 'last_name', 'phone', 'opted_out']],
  ['姓名|手机号|退订', ['name', 'phone', 'opted_out']],
  [
    'phone,optout,Opt Out?,OPTED-OUT,unsubscribed,is_blocked,doNotContact',
    ['phone', ...Array(6).fill('opted_out')],
  ],
  ['phone,opted in,Subscribed,marketing_consent', ['phone', 'opted_in', 'opted_in', 'opted_in']],
  [
    'phone,Stop count,Order status,,name,Full name',
    ['phone', 'attribute', 'attribute', 'nothing', 'name', 'attribute'],
  ],
])('the columns %s are understood', async (header, fields) => {
  expect(await takenFor(header)).toEqual(fields)
})

test.each([
  'Consent source',
  'GDPR permission',
  'newsletter',
  'Kontaktsperre Grund',
  'Status',
  'Opt',
])(
  'a column "%s" that may be about consent is told, and a cell that says so is a stop all the same',
  async (name) => {
    const { columns, people } = await read(`phone,${name}\n${ana},yes\n${ana},Unsubscribed\n`)
    const isAboutConsent = name !== 'Opt'
    expect(columns[1]).toEqual({
      name,
      takenFor: 'attribute',
      note: isAboutConsent ? expect.stringContaining('looks like consent') : '',
    })
    expect(people).toMatchObject([{ optedOut: false }, { optedOut: isAboutConsent }])
  },
)

test('a column about consent to e-mail, SMS or calls is told, and stops nobody', async () => {
  const { columns, people } = await read(
    `phone,Email opt out,Accepts SMS Marketing\n${ana},unsubscribed,no\n`,
  )
  expect(columns.slice(1).map((column) => column.note)).toEqual(
    Array(2).fill(expect.stringContaining('e-mail, SMS or calls')),
  )
  expect(people).toMatchObject([{ optedOut: false }])
})

const stops = [
  'yes',
  'TRUE',
  'WAHR',
  'VRAI',
  'VERDADERO',
  'Sí',
  '1',
  '1.0',
  'x',
  '✓',
  'unsubscribed',
  'Opted out',
  'blocked',
  'STOP',
  'Abgemeldet',
]
const days = [
  '2024-05-01',
  '01.05.2024',
  '5/1/24',
  '2024-05-01T10:00:00Z',
  'May 1, 2024',
  '45413',
  '1714557600',
]
const nothing = [
  '',
  'no',
  'FALSE',
  'FALSCH',
  'FAUX',
  '0',
  '0.0',
  '-',
  'n/a',
  'NULL',
  '0000-00-00',
  'subscribed',
  'nein',
]
const unreadable = ['perhaps', '?', '2', 'active', 'confirmed', 'siehe Notiz']

test.each(['optout', 'unsubscribed', 'blocked', 'do_not_contact', 'Opt Out?', 'Abgemeldet'])(
  'what a cell of "%s" says is understood',
  async (column) => {
    const cells = [...stops, ...days, ...nothing, ...unreadable]
    const { people } = await read(
      `phone,"${column}"\n${cells.map((cell) => `${ana},"${cell}"`).join('\n')}\n`,
    )
    const said = people.map((row) => ('reason' in row ? row.reason : row.optedOut))
    const message = (cell: string) => `"${cell}" in the opt-out column is neither yes nor no`
    expect(Object.fromEntries(cells.map((cell, at) => [cell, said[at]]))).toEqual({
      ...Object.fromEntries([...stops, ...days].map((cell) => [cell, true])),
      ...Object.fromEntries(nothing.map((cell) => [cell, false])),
      ...Object.fromEntries(unreadable.map((cell) => [cell, message(cell)])),
    })
  },
)

test('no in an opt-in column is a stop, yes and a day are none, and what can’t be read refuses the row without one', async () => {
  const cells = [
    'no',
    'FALSE',
    '0',
    'unsubscribed',
    'yes',
    '2024-05-01',
    'active',
    '',
    '-',
    'perhaps',
  ]
  const { people } = await read(
    `phone,Opted in\n${cells.map((cell) => `${ana},${cell}`).join('\n')}\n`,
  )
  const said = people.map((row) => ('reason' in row ? row : row.optedOut))
  const refused = { line: 11, reason: '"perhaps" in the opt-in column is neither yes nor no' }
  expect(said).toEqual([true, true, true, true, false, false, false, false, false, refused])
})

test('a stop in one of several columns counts, whatever the others say', async () => {
  const { people } = await read(
    `phone,blocked,optout,opted_in\n${ana},no,yes,yes\n${ana},perhaps,yes,\n${ana},no,no,yes\n`,
  )
  expect(people).toMatchObject([{ optedOut: true }, { optedOut: true }, { optedOut: false }])
})

test.each([
  ['an opt-out that can’t be read', `phone,optout\n${ana},perhaps\n`, true],
  ['too many tags and a stop', `phone,optout,tags\n${ana},yes,${'x'.repeat(65)}\n`, true],
  ['a cell that is not UTF-8 and a stop', `phone,optout,name\n${ana},yes,Jos\ufffd\n`, true],
  ['a stop that stands too far right', `phone,name,optout\n${ana},Doe, Jane,yes\n`, true],
  ['too many cells and no stop', `phone,name,optout\n${ana},Doe, Jane,no\n`, false],
  ['too many tags and no stop', `phone,optout,tags\n${ana},no,${'x'.repeat(65)}\n`, false],
  ['an opt-out that can’t be read and no number', 'phone,optout\n12,perhaps\n', false],
])('a row that is refused for %s names whom it stops: %#', async (_name, text, stopped) => {
  const [row] = (await read(text)).people
  expect(row).toEqual({
    line: 2,
    reason: expect.any(String),
    ...(stopped && { optOutPhone: ana.slice(1) }),
  })
})

test('of several phone columns WhatsApp counts before mobile and mobile before others, and the first that holds a number', async () => {
  const { people } = await read(
    [
      'Phone,Mobile,WhatsApp',
      `+4930123456,${ana},+4915100000009`,
      `+4930123456,${ana},`,
      '+4930123456,none,',
      'none,,',
      ',,x',
    ].join('\n'),
  )
  expect(people).toMatchObject([
    { phone: '4915100000009' },
    { phone: '4915100000001' },
    { phone: '4930123456' },
    { reason: '"none" is not a phone number' },
    { reason: '"x" is not a phone number' },
  ])
})

test('first and last name make the name, and remain attributes', async () => {
  const { people } = await read(`First Name,Last Name,phone\nAna,Bo,${ana}\n,Bo,${ana}\n`)
  expect(people).toMatchObject([
    { name: 'Ana Bo', attributes: { 'First Name': 'Ana', 'Last Name': 'Bo' } },
    { name: 'Bo' },
  ])
})

test('cells that are missing at the end are empty, surplus empty ones are dropped, and rows of empty cells are none', async () => {
  const { people } = await read(
    `phone;name;city\n${ana}\n${ana};Ana;;;\n;;\n;;;;;\n${ana};Ana;Berlin;x\n`,
  )
  expect(people).toEqual([
    { line: 2, phone: ana.slice(1), name: '', tags: [], optedOut: false, attributes: {} },
    { line: 3, phone: ana.slice(1), name: 'Ana', tags: [], optedOut: false, attributes: {} },
    { line: 6, reason: 'The row has 4 columns, the first line has 3' },
  ])
})

test.each([
  ['sep=;', 'sep=;\r\nname;phone\r\nAna, Bo;+4915100000001\r\n', 3],
  ['a title', 'People, spring; 2024\n\nname;phone\nAna, Bo;+4915100000001\n', 4],
  ['more commas than semicolons', 'x, y, z;phone\nAna, Bo;+4915100000001\n', 2],
  ['bars', 'name|phone\nAna, Bo|+4915100000001\n', 2],
])('a table with %s is read', async (_name, text, line) => {
  expect((await read(text)).people).toMatchObject([{ line, phone: '4915100000001' }])
})

test('a row of people is never taken for the header of a table that has none', async () => {
  await expect(read('Ana,+4915100000001,mobile\nBo,+4915100000002,mobile\n')).rejects.toThrow(
    /no phone column/,
  )
})

test('a file of 300 columns is read', async () => {
  const names = Array.from({ length: 300 }, (_, i) => `c${i}`)
  const { people } = await read(
    `phone,${names}\n${ana},${names.map((name) => (name === 'c299' ? 'x' : ''))}\n`,
  )
  expect(people).toMatchObject([{ attributes: { c299: 'x' } }])
})
