import { postWebhook } from '@lockstep/testing'
import { startSystem } from '@lockstep/testing/system'
import { createTokens } from '@lockstep/whatsapp'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  bodyOf,
  deliveries,
  newSubject,
  type Place,
  rowsOf,
  type Said,
  type Subject,
} from './histories.ts'

/** `npm test` runs some; LOCKSTEP_HISTORIES=50 npm test -- test/webhooks/whole-stack runs more. */
const histories = Number(process.env.LOCKSTEP_HISTORIES ?? 12)

test(`${histories} histories leave the same rows after the whole way, with two workers on each lane`, async () => {
  await using system = await startSystem()
  const tenant = await system.addTenant()
  const place: Place = { system, tenant, tokens: createTokens(system.world.platformKey) }
  await using _conversations = await system.spawn('conversations')
  await using _campaigns = await system.spawn('campaigns')

  async function post(subject: Subject, said: readonly Said[]): Promise<void> {
    const body = bodyOf(place, subject, said)
    expect(await postWebhook(system.webhookUrl(tenant), tenant.appSecret, body)).toBe(200)
  }

  const sampled = fc.sample(deliveries, { numRuns: histories, seed: 20261124 })
  const pairs = await Promise.all(
    sampled.map(async ({ said, shuffled }) => {
      const [inOrder, anyOrder] = [await newSubject(place), await newSubject(place)]
      for (const one of said) await post(inOrder, [one])
      await Promise.all(shuffled.map((body) => post(anyOrder, body))) // at the same time, in whatever order they arrive
      return { said, inOrder, anyOrder }
    }),
  )
  await system.settled()
  for (const { said, inOrder, anyOrder } of pairs)
    expect(await rowsOf(place, anyOrder), JSON.stringify(said)).toEqual(
      await rowsOf(place, inOrder),
    )
}, 180_000)
