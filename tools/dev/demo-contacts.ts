const names = [
  'Ana',
  'Jürgen',
  'João',
  'Zoë',
  'Mehmet',
  'Siân',
  'Łukasz',
  'Chloé',
  'Priya',
  'Noah',
  'Aiko',
  'Olu',
]
const cities = ['Berlin', 'São Paulo', 'Kraków', 'Cardiff', 'Izmir', 'Lyon']

/** Mobile numbers of four countries, valid and all different; `i` below ten million. */
const numbers: ((i: number) => string)[] = [
  (i) => `+49 1512 ${String(i).padStart(7, '0')}`,
  (i) => `+34 6${String(10_000_000 + i).padStart(8, '0')}`,
  (i) => `+55 11 9${String(80_000_000 + i)}`,
  (i) => `+44 7400 ${String(100_000 + (i % 900_000)).padStart(6, '0')}`,
]

/** Rows that an import must report by line, one for each thing that is wrong with them. */
const badRows = [
  'Nobody,,demo,Berlin,',
  'Mistyped,+49 12,demo,Berlin,',
  'Too many,+49 1512 0000001,demo,Berlin,,surplus',
]

/** A CSV of `count` people with a tag, a few bad rows among them; one in a hundred has said stop before. */
export function* demoCsv(count: number, tag: string): Iterable<string> {
  yield 'name,phone,tags,city,opted_out\n'
  for (let i = 0; i < count; i++) {
    const kind = i % 4 === 3 && i >= 900_000 ? 0 : i % 4
    const optedOut = i % 100 === 99 ? 'yes' : ''
    yield `${names[i % names.length]},${numbers[kind]!(i)},${tag};customer,${cities[i % cities.length]},${optedOut}\n`
    if (i < badRows.length) yield `${badRows[i]}\n`
  }
}
