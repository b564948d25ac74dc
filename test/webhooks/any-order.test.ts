import { services } from '@lockstep/contracts'
import type { FeedEntry } from '@lockstep/feeds'
import { addressVariable, openContext } from '@lockstep/service'
import { configIn, startSystem } from '@lockstep/testing/system'
import { createTokens, splitWebhook } from '@lockstep/whatsapp'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Context as Campaigns } from '../../services/campaigns/src/context.ts'
import { messageStatus } from '../../services/campaigns/src/lanes/message-status.ts'
import { campaignsService } from '../../services/campaigns/src/service.ts'
import type { Context as Conversations } from '../../services/conversations/src/context.ts'
import { webhookMessage } from '../../services/conversations/src/lanes/webhook-message.ts'
import { conversationsService } from '../../services/conversations/src/service.ts'
import {
  bodyOf,
  deliveries,
  newSubject,
  type Place,
  rowsOf,
  type Said,
  type Subject,
} from './histories.ts'

/** `npm test` runs some; LOCKSTEP_HISTORIES=1000 npm test -- test/webhooks/any-order runs more. */
const histories = Number(process.env.LOCKSTEP_HISTORIES ?? 40)

const stack = new AsyncDisposableStack()
let place: Place
let conversations: Conversations
let campaigns: Campaigns

beforeAll(async () => {
  const system = stack.use(
    await startSystem({
      services: ['accounts', 'webhook-gateway', 'contacts', 'templates', 'campaigns'],
    }),
  )
  place = {
    system,
    tenant: await system.addTenant(),
    tokens: createTokens(system.world.platformKey),
  }
  const { world } = system
  const peers = Object.fromEntries(
    services.map((service) => [
      addressVariable(service),
      `127.0.0.1:${system.ports[service].grpc}`,
    ]),
  )
  conversations = stack.use(
    await openContext(conversationsService, configIn(world, conversationsService, peers)),
  )
  campaigns = stack.use(
    await openContext(campaignsService, configIn(world, campaignsService, peers)),
  )
})
afterAll(() => stack.disposeAsync())

let entries = 0

/** Takes a body to its effects as gateway and lanes do: split by lane, each part to its handler. */
async function deliver(subject: Subject, said: readonly Said[]): Promise<void> {
  const verifyToken = (phoneNumberId: string, token: unknown) => {
    const named = place.tokens.read(token, phoneNumberId)
    return named ? { lane: 'webhooks.campaign' as const, key: named.ownerId } : undefined
  }
  const raw = bodyOf(place, subject, said)
  for (const part of splitWebhook(raw, { verifyToken })) {
    const lease = { signal: new AbortController().signal, isHeld: () => true }
    const entry: FeedEntry = {
      id: String(++entries),
      key: part.key ?? '',
      kind: '',
      accountId: '',
      rowId: '',
      body: part.content ?? raw,
      attempts: 0,
      asOfMs: Date.now(),
      appId: place.tenant.appId,
    }
    if (part.lane === 'webhooks.message') await webhookMessage(conversations, [entry], lease)
    else if (part.lane === 'webhooks.campaign') await messageStatus(campaigns, [entry], lease)
    else throw new Error(`A part went to ${part.lane}`)
  }
}

test(`${histories} histories leave the same rows, however they are shuffled, repeated and put into bodies`, async () => {
  await fc.assert(
    fc.asyncProperty(deliveries, async ({ said, shuffled }) => {
      const [inOrder, anyOrder] = [await newSubject(place), await newSubject(place)]
      await Promise.all([
        (async () => {
          for (const one of said) await deliver(inOrder, [one])
        })(),
        (async () => {
          for (const body of shuffled) await deliver(anyOrder, body)
        })(),
      ])
      expect(await rowsOf(place, anyOrder)).toEqual(await rowsOf(place, inOrder))
    }),
    { numRuns: histories, seed: 20261124 },
  )
}, 1_200_000)
