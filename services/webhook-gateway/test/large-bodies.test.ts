import { shares } from '@lockstep/contracts'
import { expect, test } from 'vitest'
import { openLargeBodyQueue } from '../src/intake/large-body-queue.ts'
import {
  bodyOf,
  message,
  openWorld,
  post,
  startGateway,
  storedBodies,
  untilKnown,
} from './gateway.ts'

test("an account's large bodies are read one after the other, for at most its share of the time; another account's come between", async () => {
  const reading = openLargeBodyQueue()
  const order: string[] = []
  const read = (name: string) =>
    function* () {
      const startedAt = performance.now()
      while (performance.now() - startedAt < 5);
      yield
      order.push(name)
    }
  const startedAt = performance.now()
  const greedy = Array.from({ length: 10 }, (_, i) => reading.run('greedy', 1, read(`greedy ${i}`)))
  const other = reading.run('other', 1, read('other'))
  await Promise.all([...greedy, other])
  expect(order.slice(0, 3)).toEqual(['greedy 0', 'other', 'greedy 1'])
  expect(performance.now() - startedAt).toBeGreaterThan((9 * 5) / shares.account_reading.limit)
  expect(order.filter((name) => name !== 'other')).toEqual(
    Array.from({ length: 10 }, (_, i) => `greedy ${i}`),
  )
})

test('a body that can not be read costs its account no turn', async () => {
  const reading = openLargeBodyQueue()
  const failing = reading.run('account', 1, function* () {
    yield
    throw new Error('unreadable')
  })
  const next = reading.run('account', 1, function* () {
    yield
    return 'read'
  })
  await expect(failing).rejects.toThrow('unreadable')
  expect(await next).toBe('read')
})

test("of an account's large bodies a share waits, the rest is answered 503; its small ones and its neighbour's are answered 200", async () => {
  await using here = await openWorld()
  await using gateway = await startGateway(here.config)
  const [app, other] = [here.app, await here.createApp()]
  for (const each of [app, other]) await untilKnown(gateway.origin, each)
  const large = bodyOf(message('x'.repeat(2_900_000)))
  const small = bodyOf(message('small'))
  const sent = Array.from({ length: 40 }, () => post(gateway.origin, app, large))
  const beside = [
    post(gateway.origin, app, small),
    post(gateway.origin, other, small),
    post(gateway.origin, other, large),
  ]
  expect(await Promise.all(beside)).toEqual([200, 200, 200])
  const answered = await Promise.all(sent)
  const refused = answered.filter((status) => status === 503).length
  const counted = (result: string) => gateway.metric('lockstep_webhook_requests_total', { result })
  const full = await counted('account_queue_full')
  expect(full).toBeGreaterThan(0)
  // On a busy machine PostgreSQL may take too long for one of them, and store it after its answer.
  const late = await counted('database_away')
  expect(full + late + (await counted('queue_full'))).toBe(refused)
  const stored = (await storedBodies(here.world)).filter((body) => body === large).length
  const accepted = 1 + answered.filter((status) => status === 200).length
  expect(stored).toBeGreaterThanOrEqual(accepted)
  expect(stored).toBeLessThanOrEqual(accepted + late)
}, 60_000)
