import { expect, test } from 'vitest'
import {
  type Any,
  graph,
  NUMBER,
  receiver,
  SECOND,
  simulation,
  state,
  template,
  text,
  WABA,
} from './world.ts'

test('sent, delivered and read are told with the callback data, the price and the person', async () => {
  await using callback = await receiver()
  await using sim = await simulation({ callbackUrl: callback.url })
  const { body } = await graph(
    sim,
    `${NUMBER}/messages`,
    template('+16505551234', { biz_opaque_callback_data: 'run 1, row 9' }),
  )
  expect((await sim.client.drain()).drained).toBe(true)
  const [value] = callback.values()
  expect(callback.got[0]!.body).toMatchObject({
    object: 'whatsapp_business_account',
    entry: [{ id: WABA, changes: [{ field: 'messages' }] }],
  })
  expect(callback.got[0]!.body.entry[0].time).toBeUndefined()
  expect(value.metadata).toEqual({ display_phone_number: '15550000001', phone_number_id: NUMBER })
  expect(value.contacts).toEqual([
    {
      profile: { name: expect.any(String) },
      wa_id: '16505551234',
      user_id: body.contacts[0].user_id,
    },
  ])
  expect(callback.statuses().map((each) => each.status)).toEqual(['sent', 'delivered', 'read'])
  for (const status of callback.statuses()) {
    expect(status).toMatchObject({
      id: body.messages[0].id,
      timestamp: expect.stringMatching(/^\d{10}$/),
      recipient_id: '16505551234',
      recipient_user_id: body.contacts[0].user_id,
      biz_opaque_callback_data: 'run 1, row 9',
    })
  }
  const pricing = { billable: true, pricing_model: 'PMP', type: 'regular', category: 'utility' }
  expect(callback.statuses().map((each) => each.pricing)).toEqual([pricing, pricing, undefined])
})

test('a failed message says why and brings no contacts', async () => {
  await using callback = await receiver()
  await using sim = await simulation({
    callbackUrl: callback.url,
    settings: { failed: { 131049: 1 } },
  })
  await graph(sim, `${NUMBER}/messages`, template('16505551234'))
  await sim.client.drain()
  expect(callback.statuses()).toHaveLength(1)
  expect(callback.statuses()[0]).toMatchObject({
    status: 'failed',
    errors: [
      {
        code: 131049,
        title: 'This message was not delivered to maintain healthy ecosystem engagement.',
        error_data: { details: expect.any(String) },
      },
    ],
  })
  expect(callback.values()[0]).not.toHaveProperty('contacts')
  expect(callback.statuses()[0]).not.toHaveProperty('recipient_user_id')
})

test('a message in a group, a person with a username, and news of the system look as from Meta', async () => {
  await using callback = await receiver()
  await using sim = await simulation({
    callbackUrl: callback.url,
    settings: { webhooks: { batchSize: 1 } },
  })
  const inbound = { phoneNumberId: NUMBER, from: '16505551234' }
  await sim.client.inbound({ ...inbound, groupId: 'Y2Fw', text: 'Hello all' })
  await sim.client.inbound({
    ...inbound,
    from: 'US.1',
    name: 'Ana',
    username: 'ana.b',
    text: 'Hello',
  })
  const moved = { body: 'Ana changed', type: 'user_changed_number', wa_id: '16505559999' }
  await sim.client.inbound({ ...inbound, type: 'system', payload: moved })
  await sim.client.drain()
  const value = (type: string, at = 0) =>
    callback.values().filter((each: Any) => each.messages[0].type === type)[at]
  const texts = [value('text'), value('text', 1)]
  const group = texts.find((each: Any) => each.messages[0].group_id)
  expect(group).toMatchObject({
    contacts: [{ wa_id: '16505551234' }],
    messages: [{ from: '16505551234', group_id: 'Y2Fw' }],
  })
  const named = texts.find((each: Any) => each !== group)
  expect(named.contacts).toEqual([{ profile: { name: 'Ana', username: 'ana.b' }, user_id: 'US.1' }])
  expect(named.messages[0]).toMatchObject({ from_user_id: 'US.1' })
  expect(named.messages[0]).not.toHaveProperty('from')
  expect(value('system')).toMatchObject({ messages: [{ from: '16505551234', system: moved }] })
  expect(value('system')).not.toHaveProperty('contacts')
})

test('a message from the phone app is an echo that names both sides', async () => {
  await using callback = await receiver()
  await using sim = await simulation({ callbackUrl: callback.url })
  const { id } = await sim.client.echo({
    phoneNumberId: NUMBER,
    to: '16505551234',
    text: 'By hand',
  })
  await sim.client.drain()
  expect(callback.got[0]!.body.entry).toMatchObject([
    { id: WABA, changes: [{ field: 'smb_message_echoes' }] },
  ])
  expect(callback.got[0]!.body.entry[0].time).toBeUndefined()
  expect(callback.values()[0]).toMatchObject({
    metadata: { display_phone_number: '15550000001', phone_number_id: NUMBER },
    contacts: [{ wa_id: '16505551234' }],
    message_echoes: [
      { from: '15550000001', to: '16505551234', id, type: 'text', text: { body: 'By hand' } },
    ],
  })
})

test('a call is told from its beginning to its end, and whether it was picked up', async () => {
  await using callback = await receiver()
  await using sim = await simulation({
    callbackUrl: callback.url,
    settings: { webhooks: { batchSize: 1 } },
  })
  const { id } = await sim.client.call({
    phoneNumberId: NUMBER,
    person: '16505551234',
    seconds: 30,
  })
  await sim.client.call({ phoneNumberId: NUMBER, person: '16505551234', isOurs: true, seconds: 0 })
  await sim.client.drain()
  const calls = callback.values().flatMap((each: Any) => each.calls ?? [])
  const common = { id, from: '16505551234', to: '15550000001', direction: 'USER_INITIATED' }
  const theirs = calls
    .filter((each: Any) => each.id === id)
    .sort((a: Any, b: Any) => a.event.localeCompare(b.event))
  expect(theirs).toMatchObject([
    { ...common, event: 'connect', session: { sdp_type: 'offer' } },
    { ...common, event: 'terminate', status: 'COMPLETED', duration: 30 },
  ])
  expect(calls.filter((each: Any) => each.id !== id)).toMatchObject([
    { event: 'terminate', status: 'FAILED', to: '16505551234' },
  ])
  const words = callback
    .values()
    .flatMap((each: Any) => (each.statuses ?? []).map((status: Any) => status.status))
  expect(words.sort()).toEqual(['REJECTED', 'RINGING'])
})

test('the past comes by threads, and the address book as changes', async () => {
  await using callback = await receiver()
  await using sim = await simulation({
    callbackUrl: callback.url,
    settings: { webhooks: { batchSize: 1 } },
  })
  const person = '16505551234'
  const messages = [
    { person, text: 'Before', timestampMs: 1_700_000_000_000 },
    { person, isOurs: true, text: 'And after', timestampMs: 1_700_000_060_000 },
  ]
  const { ids } = await sim.client.history({ phoneNumberId: NUMBER, messages })
  await sim.client.appContacts({
    phoneNumberId: NUMBER,
    contacts: [{ person, name: 'Ana Banana' }],
  })
  await sim.client.drain()
  const [chunk] = callback.values().find((each: Any) => each.history).history
  expect(chunk).toMatchObject({
    metadata: { phase: 0, progress: 100 },
    threads: [
      {
        id: person,
        messages: [
          { id: ids[0], from: person },
          { id: ids[1], from: '15550000001', to: person, history_context: { status: 'READ' } },
        ],
      },
    ],
  })
  expect(callback.values().find((each: Any) => each.state_sync).state_sync).toMatchObject([
    { type: 'contact', action: 'add', contact: { full_name: 'Ana Banana', phone_number: person } },
  ])
})

test('a reaction is told as sent, and neither as delivered nor as read', async () => {
  await using callback = await receiver()
  await using sim = await simulation({ callbackUrl: callback.url })
  const reaction = {
    messaging_product: 'whatsapp',
    to: '+16505551234',
    type: 'reaction',
    reaction: { message_id: 'wamid.1', emoji: '👍' },
  }
  await graph(sim, `${NUMBER}/messages`, reaction)
  expect((await sim.client.drain()).drained).toBe(true)
  expect(callback.statuses().map((each) => each.status)).toEqual(['sent'])
})

test('the signature holds over the bytes as sent, with all beyond ASCII escaped in lower case', async () => {
  await using callback = await receiver()
  await using sim = await simulation({ callbackUrl: callback.url })
  await sim.client.inbound({ phoneNumberId: NUMBER, from: '16505551234', text: 'äöå😀\u007f' })
  await sim.client.drain()
  const [webhook] = callback.got
  expect(webhook!.signed).toBe(true)
  expect(webhook!.raw.toString('latin1')).toContain('"\\u00e4\\u00f6\\u00e5\\ud83d\\ude00\u007f"')
  expect(webhook!.raw.every((byte) => byte < 0x80)).toBe(true)
  expect(callback.messages()[0]).toMatchObject({
    from: '16505551234',
    type: 'text',
    text: { body: 'äöå😀\u007f' },
  })
  expect(webhook!.headers).toMatchObject({
    'content-type': 'application/json',
    'user-agent': 'facebookexternalua',
  })
})

test('a webhook comes again, whole, until it is answered 200', async () => {
  await using callback = await receiver((nth) => [500, 404, 201][nth - 1] ?? 200)
  await using sim = await simulation({ callbackUrl: callback.url })
  await sim.client.inbound({ phoneNumberId: NUMBER, from: '16505551234', text: 'once' })
  const summary = await sim.client.drain()
  expect(callback.got).toHaveLength(4)
  expect(new Set(callback.got.map(({ raw }) => raw.toString())).size).toBe(1)
  expect(summary.webhooks).toMatchObject({
    delivered: 1,
    attempts: 4,
    retries: 3,
    failedAttempts: 3,
  })
  const lines = await Array.fromAsync(sim.client.log({ kind: 'delivery' }))
  expect(lines.map((line) => line.kind === 'delivery' && [line.attempt, line.httpStatus])).toEqual([
    [1, 500],
    [2, 404],
    [3, 201],
    [4, 200],
  ])
})

test('updates of several numbers share a body up to the size set', async () => {
  await using callback = await receiver()
  const webhooks = { batchSize: 4, batchMs: 200 }
  await using sim = await simulation({ callbackUrl: callback.url, settings: { webhooks } })
  await Promise.all(
    [NUMBER, SECOND].flatMap((phoneNumberId) =>
      ['16505550001', '16505550002'].map((from) =>
        sim.client.inbound({ phoneNumberId, from, text: 'hi' }),
      ),
    ),
  )
  await sim.client.drain()
  expect(callback.got).toHaveLength(1)
  const changes = callback.got[0]!.body.entry[0].changes
  expect(changes.map((change: Any) => change.value.metadata.phone_number_id).toSorted()).toEqual([
    NUMBER,
    SECOND,
  ])
  expect(changes.map((change: Any) => change.value.messages.length)).toEqual([2, 2])
})

test('duplicates repeat each webhook, each copy under its own id', async () => {
  await using callback = await receiver()
  await using sim = await simulation({
    callbackUrl: callback.url,
    settings: { webhooks: { batchMs: 5, duplicates: 3 } },
  })
  await sim.client.inbound({ phoneNumberId: NUMBER, from: '16505551234', text: 'thrice' })
  await sim.client.drain()
  expect(callback.messages()).toHaveLength(3)
  const lines = await Array.fromAsync(sim.client.log({ kind: 'delivery' }))
  expect(new Set(lines.map((line) => line.kind === 'delivery' && line.id)).size).toBe(3)
})

test('disorder lets later statuses overtake earlier ones and loses none', async () => {
  await using callback = await receiver()
  await using sim = await simulation({
    callbackUrl: callback.url,
    settings: { webhooks: { batchMs: 2, disorder: 0.5 } },
  })
  const people = Array.from({ length: 40 }, (_, nth) => `1650555${1000 + nth}`)
  await Promise.all(people.map((to) => graph(sim, `${NUMBER}/messages`, template(to))))
  await sim.client.drain()
  const order = Map.groupBy(callback.statuses(), (each) => each.recipient_id)
  expect(order.size).toBe(40)
  for (const list of order.values())
    expect(list.map((each) => each.status).toSorted()).toEqual(['delivered', 'read', 'sent'])
  expect([...order.values()].some((list) => list[0].status !== 'sent')).toBe(true)
})

test('people reply quoting the message, some with the stop word', async () => {
  await using callback = await receiver()
  const shares = { read: 1, reply: 1, stop: 0.5 }
  await using sim = await simulation({
    callbackUrl: callback.url,
    settings: { shares, replies: { stopWord: 'PARAR' } },
  })
  const people = Array.from({ length: 30 }, (_, nth) => `1650555${1000 + nth}`)
  const sent = new Map(
    await Promise.all(
      people.map(
        async (to) =>
          [to, (await graph(sim, `${NUMBER}/messages`, template(to))).body.messages[0].id] as const,
      ),
    ),
  )
  await sim.client.drain()
  expect(callback.messages()).toHaveLength(30)
  for (const reply of callback.messages())
    expect(reply.context).toEqual({ from: '15550000001', id: sent.get(reply.from) })
  const stops = callback.messages().filter((reply) => reply.text.body === 'PARAR').length
  expect(stops).toBeGreaterThan(5)
  expect(stops).toBeLessThan(25)
})

test('nothing goes out while webhooks are paused, everything after', async () => {
  await using callback = await receiver()
  await using sim = await simulation({
    callbackUrl: callback.url,
    settings: { webhooks: { paused: true } },
  })
  await graph(sim, `${NUMBER}/messages`, text('16505551234', 'hi'))
  expect(await sim.client.drain({ deadlineMs: 60 })).toMatchObject({
    drained: false,
    pending: { queued: 3 },
  })
  expect(callback.got).toHaveLength(0)
  await sim.client.setSettings({ webhooks: { paused: false } })
  expect(await sim.client.drain()).toMatchObject({ drained: true, pending: { total: 0 } })
  expect(callback.statuses()).toHaveLength(3)
})

test('a decision about a template changes the list and is told with the whole id', async () => {
  await using callback = await receiver()
  await using sim = await simulation({ callbackUrl: callback.url })
  const { data } = (await graph(sim, `${WABA}/message_templates`)).body
  await sim.client.templateEvent({
    wabaId: WABA,
    name: 'hello',
    language: 'en_US',
    event: 'PAUSED',
    newQuality: 'RED',
  })
  await sim.client.drain()
  const raw = callback.got.map((each) => each.raw.toString()).join()
  expect(raw).toContain(`"message_template_id":${data[0].id},`)
  expect(callback.got[0]!.body.entry[0]).toMatchObject({
    time: expect.any(Number),
    changes: [
      { field: 'message_template_status_update' },
      { field: 'message_template_quality_update' },
    ],
  })
  expect((await graph(sim, `${NUMBER}/messages`, template('16505551234'))).body.error.code).toBe(
    132015,
  )
})

test('an override of the number takes its messages and leaves template events with the app', async () => {
  await using callback = await receiver()
  await using override = await receiver()
  const given = state(callback.url)
  given.numbers![0]!.callbackUrl = override.url
  await using sim = await simulation({ state: given })
  await sim.client.inbound({ phoneNumberId: NUMBER, from: '16505551234', text: 'hi' })
  await sim.client.templateEvent({
    wabaId: WABA,
    name: 'hello',
    language: 'en_US',
    event: 'DISABLED',
  })
  await sim.client.drain()
  expect(override.messages()).toHaveLength(1)
  expect(callback.values()).toEqual([expect.objectContaining({ event: 'DISABLED' })])
})

test('a WABA without a subscribed app hears nothing until one subscribes', async () => {
  await using callback = await receiver()
  await using sim = await simulation({ state: { ...state(callback.url), wabas: [{ id: WABA }] } })
  await sim.client.inbound({ phoneNumberId: NUMBER, from: '16505551234', text: 'unheard' })
  expect((await graph(sim, `${WABA}/subscribed_apps`, {})).body).toEqual({ success: true })
  await sim.client.inbound({ phoneNumberId: NUMBER, from: '16505551234', text: 'heard' })
  await sim.client.drain()
  expect(callback.messages().map((each) => each.text.body)).toEqual(['heard'])
})

test('the handshake succeeds only with the right token', async () => {
  await using callback = await receiver()
  await using sim = await simulation({ callbackUrl: callback.url })
  expect(await sim.client.verify('1')).toMatchObject({ verified: true, httpStatus: 200 })
  await sim.client.setState({
    apps: [{ id: '1', secret: 'x', verifyToken: 'wrong', callbackUrl: callback.url }],
  })
  expect(await sim.client.verify('1')).toMatchObject({ verified: false, httpStatus: 403 })
})

test('any body can be sent rightly signed, wrongly signed and unsigned', async () => {
  await using callback = await receiver()
  await using sim = await simulation({ callbackUrl: callback.url })
  const body = { object: 'whatsapp_business_account', entry: [] }
  for (const sign of ['right', 'wrong', 'none'] as const)
    expect(await sim.client.webhook({ appId: '1', body, sign })).toEqual({ httpStatus: 200 })
  expect(
    callback.got.map((each) => [each.signed, each.headers['x-hub-signature-256'] !== undefined]),
  ).toEqual([
    [true, true],
    [false, true],
    [false, false],
  ])
})
