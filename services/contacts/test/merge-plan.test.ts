import { expect, test } from 'vitest'
import { groupPeople } from '../src/identities/group-people.ts'
import { metaIdentities } from '../src/identities/identity.ts'
import { planMerges } from '../src/merges/plan-merges.ts'

test('lists that share a contact become one person, whose oldest contact stays', () => {
  const { merges, survivorOf } = planMerges([['c', 'b'], ['d'], ['f', 'e'], ['b', 'a']])
  expect(merges).toEqual(
    expect.arrayContaining([
      { into: 'a', from: ['b', 'c'] },
      { into: 'e', from: ['f'] },
    ]),
  )
  expect(merges).toHaveLength(2)
  expect(['a', 'b', 'c', 'd', 'e', 'f'].map(survivorOf)).toEqual(['a', 'a', 'a', 'd', 'e', 'e'])
})

test('elements of one account that a chain of identities connects are one group, in any order', () => {
  const person = (accountId: string, waId: string, userId: string) => ({
    accountId,
    identities: metaIdentities({ waId, userId }),
  })
  const [number, id, both] = [
    person('a', '4915100000001', ''),
    person('a', '', 'DE.1'),
    person('a', '4915100000001', 'DE.1'),
  ]
  const foreign = person('b', '4915100000001', 'DE.1')
  for (const people of [
    [number, id, both, foreign],
    [foreign, both, id, number],
  ]) {
    const groups = groupPeople(people)
    expect(groups.map(({ people, identities }) => [people.length, identities.size])).toEqual(
      expect.arrayContaining([
        [3, 2],
        [1, 2],
      ]),
    )
    expect(groups).toHaveLength(2)
  }
})
