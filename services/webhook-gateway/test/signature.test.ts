import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  bodyOf,
  handshakeUrl,
  message,
  openWorld,
  post,
  startGateway,
  storedBodies,
  storedParts,
} from './gateway.ts'

let here: Awaited<ReturnType<typeof openWorld>>
let gateway: Awaited<ReturnType<typeof startGateway>>
beforeAll(async () => {
  here = await openWorld()
  gateway = await startGateway(here.config)
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await here[Symbol.asyncDispose]()
})

test('a body with a good signature is stored byte for byte before it is answered 200', async () => {
  const body = ` ${bodyOf(message('Grüße 👋'))}\n`
  expect(await post(gateway.origin, here.app, body)).toBe(200)
  expect(await storedBodies(here.world)).toContain(body)
})

test('escaped unicode, as Meta writes it, passes: the signature is over the bytes', async () => {
  const body = bodyOf(message('äöå 😀')).replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  expect(body).toContain('\\u00e4\\u00f6\\u00e5 \\ud83d\\ude00')
  expect(await post(gateway.origin, here.app, body)).toBe(200)
  expect(await storedBodies(here.world)).toContain(body)
})

test('a webhook without a good signature is refused, counted by what is wrong, and leaves no row', async () => {
  const { app, world } = here
  const before = (await storedBodies(world)).length
  const body = bodyOf(message('forged'))
  const count = (how: string) =>
    gateway.metric('lockstep_webhook_requests_total', { result: `signature_${how}` })

  const unsigned = await fetch(`${gateway.origin}/webhooks/${app.id}`, { method: 'POST', body })
  expect(unsigned.status).toBe(401)
  expect(await post(gateway.origin, app, body, { 'x-hub-signature-256': 'sha1=abc' })).toBe(401)
  expect(await post(gateway.origin, { ...app, secret: 'another' }, body)).toBe(401)
  const another = await here.createApp()
  expect(await post(gateway.origin, { ...app, secret: another.secret }, body)).toBe(401)

  expect([await count('missing'), await count('malformed'), await count('wrong')]).toEqual([
    1, 1, 2,
  ])
  expect(await storedBodies(world)).toHaveLength(before)
})

test('while a secret is rotated both sign, and the one before them no longer does', async () => {
  const app = await here.createApp()
  const [second, third] = ['second-secret', 'third-secret'] as const
  const send = (secret: string) => post(gateway.origin, { ...app, secret }, bodyOf(message(secret)))
  expect(await send(app.secret)).toBe(200)
  await here.accounts.rotateAppSecret({ id: app.id, secret: second }, { accountId: app.accountId })
  await expect.poll(() => send(second)).toBe(200)
  expect(await send(app.secret)).toBe(200)
  await here.accounts.rotateAppSecret({ id: app.id, secret: third }, { accountId: app.accountId })
  await expect.poll(() => send(third)).toBe(200)
  expect(await send(second)).toBe(200)
  expect(await send(app.secret)).toBe(401)
})

test('3 MB are stored exactly; one byte more is answered 413', async () => {
  const limit = 3 * 1024 * 1024
  const frame = bodyOf(message(''))
  const body = bodyOf(message('x'.repeat(limit - frame.length)))
  expect(body).toHaveLength(limit)
  expect(await post(gateway.origin, here.app, body)).toBe(200)
  expect((await storedBodies(here.world)).at(-1) === body).toBe(true)
  expect(await post(gateway.origin, here.app, `${body} `)).toBe(413)
  expect(await gateway.metric('lockstep_webhook_requests_total', { result: 'too_large' })).toBe(1)
})

test('the handshake answers the bare challenge for the right token only', async () => {
  const { app } = here
  const good = await fetch(handshakeUrl(gateway.origin, app, app.verifyToken))
  expect([good.status, await good.text()]).toEqual([200, '1158201444'])
  expect(good.headers.get('content-type')).toMatch(/^text\/plain/)
  expect((await fetch(handshakeUrl(gateway.origin, app, 'wrong'))).status).toBe(403)
  expect((await fetch(handshakeUrl(gateway.origin, app, ''))).status).toBe(403)
  expect((await fetch(`${gateway.origin}/webhooks/${app.id}`)).status).toBe(403)
})

test('a slash at the end of the callback URL changes nothing, and what is not there is answered without repeating the verify token', async () => {
  const { app } = here
  const slashed = handshakeUrl(gateway.origin, app, app.verifyToken).replace('?', '/?')
  const answer = await fetch(slashed)
  expect([answer.status, await answer.text()]).toEqual([200, '1158201444'])
  expect(
    await post(gateway.origin, { ...app, id: `${app.id}/` }, bodyOf(message('with a slash'))),
  ).toBe(200)

  const wrong = await fetch(slashed.replace('/webhooks/', '/webhook/'))
  expect(wrong.status).toBe(404)
  expect(await wrong.text()).not.toContain(app.verifyToken)
})

test('an app that was just registered is known at once, one that nobody registered is not found', async () => {
  const app = await here.createApp()
  expect(await post(gateway.origin, app, bodyOf(message('first')))).toBe(200)
  const stranger = { ...app, id: '01890000-0000-7000-8000-000000000000' }
  expect(await post(gateway.origin, stranger, bodyOf(message('lost')))).toBe(404)
  expect(await post(gateway.origin, { ...app, id: 'not-an-id' }, bodyOf(message('lost')))).toBe(404)
})

test('a signed body that is no webhook is kept, counted and answered 200', async () => {
  const before = await storedParts(here.world)
  const bodies = ['{"object":', Buffer.concat([Buffer.from([0xff, 0x00]), randomBytes(20)]), '']
  for (const body of bodies) expect(await post(gateway.origin, here.app, body)).toBe(200)
  const added = (await storedParts(here.world)).slice(before.length)
  expect(added).toEqual(
    bodies.map(() => ({
      lane: null,
      key: null,
      field: null,
      elements: 0,
      whole: true,
      outcome: 'unreadable',
      open: false,
    })),
  )
  const { counts } = await gateway.operator.countParts({}, {})
  expect(counts).toContainEqual({ outcome: 'unreadable', field: '', parts: 3, elements: 0 })
  expect(await gateway.metric('lockstep_webhook_parts_total', { outcome: 'unreadable' })).toBe(3)
  const { parts } = await gateway.operator.listParts({ outcome: 'unreadable' }, {})
  expect(parts.map(({ content }) => Buffer.from(content))).toEqual(
    bodies.map((body) => Buffer.from(body)).reverse(),
  )
})
