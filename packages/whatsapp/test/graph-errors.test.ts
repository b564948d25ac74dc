import { expect, test } from 'vitest'
import { classifyGraphError, graphErrors } from '../src/index.ts'

/**
 * Every code by what it does to a campaign and what it is about: the table that a change has to
 * pass by.
 */
const table = {
  'stop connection': [
    0, 3, 10, 33, 190, 200, 368, 131005, 131031, 131037, 131042, 131045, 131048, 131055, 131063,
    131064, 133006, 133010, 134011,
  ],
  'stop template': [
    132000, 132001, 132007, 132012, 132015, 132016, 132068, 132069, 134100, 134101, 134102,
  ],
  'throttle connection': [4, 613, 80007, 130429, 131057, 2494100],
  'throttle recipient': [131056],
  'unknown message': [1, 2, 131000, 131016, 133004],
  'rejected recipient': [
    130403, 130472, 130497, 131021, 131026, 131030, 131047, 131049, 131050, 131062, 137000,
  ],
  'rejected message': [
    100, 131008, 131009, 131051, 131052, 131053, 131060, 132005, 132008, 132018, 135000,
  ],
  'rejected management': [
    2200, 36007, 36008, 36009, 131044, 133000, 133005, 133008, 133009, 133015, 133016, 2388019,
    2388024, 2388039, 2388040, 2388047, 2388072, 2388073, 2388293, 2388299, 2593107, 2593108,
    2593109,
  ],
}

test('the table of codes is this one', () => {
  const rows = Object.entries(graphErrors).map(
    ([code, row]) => [`${row.class} ${row.scope}`, Number(code)] as const,
  )
  const found = Object.fromEntries(
    Map.groupBy(rows, ([kind]) => kind)
      .entries()
      .map(([kind, of]) => [kind, of.map(([, code]) => code)]),
  )
  expect(found).toEqual(table)
})

test('what concerns the connection or the template rejects nobody, in a range of codes neither', () => {
  for (const code of [
    ...Object.keys(graphErrors).map(Number),
    299,
    138000,
    139000,
    139004,
    139100,
    147001,
  ]) {
    const { class: kind, scope } = classifyGraphError(code)
    if (scope === 'connection' || scope === 'template')
      expect([code, kind]).not.toEqual([code, 'rejected'])
  }
  expect(classifyGraphError(139004)).toMatchObject({ class: 'stop', scope: 'template' })
})

test('a subcode decides for code 100: a number that is missing stops, whatever else the code means', () => {
  expect(classifyGraphError(100, 400)).toMatchObject({ code: 100, class: 'rejected' })
  expect(classifyGraphError(100, 400, 33)).toMatchObject({
    code: 100,
    class: 'stop',
    scope: 'connection',
  })
})
