import { expect, test } from 'vitest'
import { fateOf } from '../src/fate.ts'
import { defaultSettings, mergeSettings } from '../src/settings.ts'
import { createTimeline } from '../src/timeline.ts'
import { graph, NUMBER, receiver, simulation, template } from './world.ts'

const uncertain = {
  failed: { 131026: 0.2, 131049: 0.1 },
  shares: {
    undelivered: 0.2,
    read: 0.5,
    readWithoutDelivered: 0.3,
    failedThenDelivered: 0.2,
    reply: 0.3,
    stop: 0.5,
  },
  errors: { shares: { 130429: 0.1 } },
}

/** What became of two messages to each of thirty people, who were written to in this order. */
async function fates(seed: number, order: (people: string[]) => string[]) {
  await using callback = await receiver()
  await using sim = await simulation({ callbackUrl: callback.url, settings: uncertain, seed })
  const people = Array.from({ length: 30 }, (_, nth) => `1650555${1000 + nth}`)
  const told = new Map<string, string[]>()
  for (let round = 0; round < 2; round++) {
    const answers = await Promise.all(
      order(people).map(
        async (to) => [to, await graph(sim, `${NUMBER}/messages`, template(to))] as const,
      ),
    )
    for (const [to, { body }] of answers)
      told.set(`${to} ${round}`, [body.messages?.[0].id ?? `error ${body.error.code}`])
  }
  await sim.client.drain()
  const byId = Map.groupBy(callback.statuses(), (each) => each.id as string)
  const replies = new Map(
    callback.messages().map((each) => [each.context.id as string, each.text.body as string]),
  )
  return Object.fromEntries(
    [...told]
      .toSorted()
      .map(([key, [id]]) => [
        key,
        [id, ...(byId.get(id!) ?? []).map((each) => each.status).toSorted(), replies.get(id!)],
      ]),
  )
}

test('the seed decides what becomes of each message, the order of arrival does not', async () => {
  const forward = await fates(7, (people) => people)
  expect(await fates(7, (people) => people.toReversed())).toEqual(forward)
  expect(await fates(8, (people) => people)).not.toEqual(forward)
})

test('shares are kept over many messages, and a change of one moves only its own', () => {
  const settings = mergeSettings(defaultSettings(3), uncertain)
  const certain = mergeSettings(settings, { shares: { reply: 0 } })
  let [failed, reached, replied] = [0, 0, 0]
  for (let nth = 0; nth < 5_000; nth++) {
    const steps = fateOf(settings, NUMBER, '16505551234', nth)
    if (steps[0]!.kind === 'failed') failed++
    else if (steps.some((step) => step.kind === 'delivered' || step.kind === 'read')) reached++
    if (steps.some((step) => step.kind === 'reply')) replied++
    expect(fateOf(certain, NUMBER, '16505551234', nth)).toEqual(
      steps.filter((step) => step.kind !== 'reply'),
    )
  }
  expect(failed / 5_000).toBeCloseTo(0.3, 1)
  expect(reached / (5_000 - failed)).toBeCloseTo(0.8, 1)
  expect(replied / (reached + failed * 0.2)).toBeCloseTo(0.3, 1)
})

test('a timeline hands out everything once, in the order of time', async () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  const seen: number[] = []
  using timeline = createTimeline<number>((item) => {
    seen.push(item)
    if (seen.length === 3_000) resolve()
  })
  const now = Date.now()
  const items = Array.from({ length: 3_000 }, (_, nth) => (nth * 7_919) % 3_000)
  for (const item of items) timeline.add(now + item / 100, item)
  await promise
  expect(seen).toEqual(items.toSorted((a, b) => a - b))
})
