import type { FeedEntry } from '@lockstep/feeds'
import type { ConnectionInterval } from '@lockstep/rpc/gen/accounts'
import { expect, test } from 'vitest'
import { connectionsAt } from '../src/index.ts'

const interval = (id: string, appId: string, connectedAtMs: number, disconnectedAtMs?: number) =>
  ({ id, appId, wabaId: '7', connectedAtMs, disconnectedAtMs }) as ConnectionInterval
const entry = (asOfMs: number, appId = 'app', key = '7') => ({ asOfMs, appId, key }) as FeedEntry

test('a part is of the intervals that covered its receipt by the app that signed it, their first moment included and their last not', async () => {
  const intervals = [
    interval('one', 'app', 100, 200),
    interval('two', 'app', 100),
    interval('other', 'other app', 50),
  ]
  const at = async (asked: FeedEntry) => {
    const owners = (await connectionsAt([asked], 'wabaId', async () => intervals))(asked)
    return typeof owners === 'string' ? owners : owners.map(({ id }) => id)
  }
  expect(await at(entry(99))).toBe('wrong_app')
  expect(await at(entry(100))).toEqual(['one', 'two'])
  expect(await at(entry(199))).toEqual(['one', 'two'])
  expect(await at(entry(200))).toEqual(['two'])
  expect(await at(entry(150, 'other app'))).toEqual(['other'])
  expect(await at(entry(49))).toBe('no_connection')
  expect(await at(entry(150, 'app', '8'))).toBe('no_connection')
})

test('one question is asked for all parts, over the time of their receipts', async () => {
  const asked: object[] = []
  await connectionsAt([entry(5), entry(3), entry(9, 'app', '8')], 'wabaId', async (question) => {
    asked.push(question)
    return []
  })
  expect(asked).toEqual([{ phoneNumberIds: [], wabaIds: ['7', '8'], fromMs: 3, untilMs: 9 }])
})
