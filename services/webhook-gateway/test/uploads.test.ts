import { Agent, type ClientRequest, request } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { shares } from '@lockstep/contracts'
import { until } from '@lockstep/testing'
import { signBody } from '@lockstep/whatsapp'
import { expect, test } from 'vitest'
import {
  bodyOf,
  message,
  openWorld,
  post,
  startGateway,
  storedParts,
  type TestApp,
  untilKnown,
} from './gateway.ts'

const threeMegabytes = 3 * 1024 * 1024

/** Uploads that begin and never end, unsigned, each at an address of its own behind a trusted proxy if one is named. */
function endless(origin: string, app: TestApp, address?: string) {
  const agent = new Agent({ maxSockets: Number.POSITIVE_INFINITY })
  const cut = new Set<ClientRequest>()
  return {
    cut,
    start(bytes: number): ClientRequest {
      const headers = {
        'content-length': String(threeMegabytes),
        'x-hub-signature-256': `sha256=${'0'.repeat(64)}`,
        ...(address && { 'x-forwarded-for': address }),
      }
      const sent = request(`${origin}/webhooks/${app.id}`, { method: 'POST', agent, headers })
      sent.on('error', () => cut.add(sent))
      sent.write(Buffer.alloc(bytes))
      return sent
    },
    [Symbol.dispose]: () => agent.destroy(),
  }
}

const heldBytes = (gateway: Awaited<ReturnType<typeof startGateway>>) =>
  gateway.metric('lockstep_webhook_unverified_bytes', {})

test('bodies that never end and that nobody has signed hold their address no more than its share, and are cut off in the end', async () => {
  await using here = await openWorld()
  await using gateway = await startGateway(here.config)
  const [app, other] = [here.app, await here.createApp()]
  for (const each of [app, other]) await untilKnown(gateway.origin, each)
  using stranger = endless(gateway.origin, app)
  for (let n = 0; n < 30; n++) stranger.start(threeMegabytes - 1)
  const room = Math.floor(shares.app_upload_bytes.limit / (threeMegabytes - 1))
  await until(() => stranger.cut.size >= 30 - room)
  expect(await heldBytes(gateway)).toBeLessThanOrEqual(shares.app_upload_bytes.limit)
  for (const each of [app, other])
    expect(await post(gateway.origin, each, bodyOf(message('hello')))).toBe(200)
  await until(() => stranger.cut.size === 30)
  await until(async () => (await heldBytes(gateway)) === 0)
  const results = ['cut_off', 'too_slow'].map((result) =>
    gateway.metric('lockstep_webhook_requests_total', { result }),
  )
  expect((await Promise.all(results)).reduce((a, b) => a + b)).toBe(30)
})

test("a thousand uploads that trickle at a tenant's own address cost neither it nor its neighbour a webhook", async () => {
  await using here = await openWorld()
  await using gateway = await startGateway(here.config)
  const [app, other] = [here.app, await here.createApp()]
  for (const each of [app, other]) await untilKnown(gateway.origin, each)
  using stranger = endless(gateway.origin, app)
  const uploads = Array.from({ length: 1_000 }, () => stranger.start(1))
  const trickle = setInterval(() => {
    for (const upload of uploads) if (!upload.destroyed) upload.write('x')
  }, 200)
  try {
    const large = bodyOf(message('x'.repeat(2_000_000)))
    for (let n = 0; n < 20; n++) {
      const sent = [
        post(gateway.origin, app, bodyOf(message(`${n}`))),
        post(gateway.origin, other, large),
        post(gateway.origin, app, large),
      ]
      expect(await Promise.all(sent)).toEqual([200, 200, 200])
    }
    await until(() => stranger.cut.size === 1_000)
  } finally {
    clearInterval(trickle)
  }
}, 60_000)

test('an upload that is merely large and goes on arriving is let finish beside any number that stand still', async () => {
  await using here = await openWorld()
  await using gateway = await startGateway({ ...here.config, trustedProxies: ['127.0.0.1'] })
  const [app, other] = [here.app, await here.createApp()]
  for (const each of [app, other]) await untilKnown(gateway.origin, each)
  const raw = Buffer.from(bodyOf(message('x'.repeat(2_900_000))))
  const headers = {
    'x-hub-signature-256': signBody(app.secret, raw),
    'content-length': String(raw.length),
    'x-forwarded-for': '10.0.0.1',
  }
  using stranger = endless(gateway.origin, other, '10.0.0.2')
  const sent = request(`${gateway.origin}/webhooks/${app.id}`, { method: 'POST', headers })
  const answered = new Promise<number>((resolve, reject) => {
    sent.on('response', (answer) => resolve(answer.resume().statusCode!))
    sent.on('error', reject)
  })
  // Six seconds of a slow line: time itself is what is tested.
  for (let at = 0; at < raw.length; at += raw.length / 30) {
    stranger.start(threeMegabytes - 1)
    sent.write(raw.subarray(Math.floor(at), Math.floor(at + raw.length / 30)))
    await delay(200)
  }
  expect(await answered).toBe(200)
}, 60_000)

const numbers = (count: number) =>
  Array.from({ length: count }, (_, n) => message('made up', String(900_000 + n)))

test('of a body with 5,000 made-up numbers a share is kept by number, the rest without a lane; no element is lost, and a replay splits it all', async () => {
  await using here = await openWorld()
  await using gateway = await startGateway(here.config)
  const raw = bodyOf(message('ours', '1001'), ...numbers(5_000), message('ours, too', '1002'))
  expect(raw.length).toBeLessThan(threeMegabytes)
  expect(await post(gateway.origin, here.app, raw)).toBe(200)
  const parts = await storedParts(here.world)
  const summary = (outcome: string | null) => {
    const its = parts.filter((part) => part.outcome === outcome)
    return {
      parts: its.length,
      elements: its.reduce((sum, part) => sum + part.elements, 0),
      open: its.filter((part) => part.open).length,
    }
  }
  expect(summary(null)).toEqual({ parts: 2, elements: 2, open: 2 })
  expect(summary('no_connection')).toEqual({
    parts: shares.body_other_keys.limit,
    elements: shares.body_other_keys.limit,
    open: 0,
  })
  expect(summary('over_share')).toMatchObject({
    elements: 5_000 - shares.body_other_keys.limit,
    open: 0,
  })
  expect(summary('over_share').parts).toBeLessThan(50)
  expect(await gateway.metric('lockstep_webhook_parts_total', { outcome: 'over_share' })).toBe(
    summary('over_share').parts,
  )

  const { parts: opened } = await gateway.operator.replayWebhooks({ outcome: 'over_share' }, {})
  expect(opened).toBe(2)
  const replayed = await storedParts(here.world)
  expect(replayed.filter(({ outcome }) => outcome === 'no_connection')).toHaveLength(5_000)
  expect(replayed.filter(({ open }) => open).map(({ key }) => key)).toEqual(['1001', '1002'])
}, 60_000)

test('a body of more values than any of Meta holds is kept whole in a moment, and split by a replay', async () => {
  await using here = await openWorld()
  await using gateway = await startGateway(here.config)
  const raw = bodyOf(...numbers(11_500), message('ours', '1001'))
  expect(raw.length).toBeLessThan(threeMegabytes)
  expect(await post(gateway.origin, here.app, raw)).toBe(200)
  const whole = {
    lane: null,
    key: null,
    field: null,
    elements: 1,
    whole: true,
    outcome: 'over_share',
    open: false,
  }
  expect(await storedParts(here.world)).toEqual([whole])
  expect((await gateway.operator.replayWebhooks({ outcome: 'over_share' }, {})).parts).toBe(1)
  expect((await storedParts(here.world)).filter(({ open }) => open)).toMatchObject([
    { key: '1001' },
  ])
}, 60_000)
