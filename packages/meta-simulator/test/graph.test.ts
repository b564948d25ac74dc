import { createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import { demoState, demoTemplates } from '../src/index.ts'
import {
  type Any,
  graph,
  hello,
  NUMBER,
  SECOND,
  simulation,
  state,
  TOKEN,
  template,
  text,
  WABA,
} from './world.ts'

test('an accepted template is answered as Meta answers it', async () => {
  await using sim = await simulation()
  const { status, body } = await graph(sim, `${NUMBER}/messages`, template('+1 (650) 555-1234'))
  expect(status).toBe(200)
  expect(body).toEqual({
    messaging_product: 'whatsapp',
    contacts: [
      {
        input: '+1 (650) 555-1234',
        wa_id: '16505551234',
        user_id: expect.stringMatching(/^US\.\d{20}$/),
      },
    ],
    messages: [
      { id: expect.stringMatching(/^wamid\.[A-Za-z0-9+/]+=*$/), message_status: 'accepted' },
    ],
  })
  expect(Buffer.from(body.messages[0].id.slice(6), 'base64').toString('latin1')).toContain(
    '16505551234',
  )
})

test('any version is taken, a path without one is unknown', async () => {
  await using sim = await simulation()
  expect(
    (await graph(sim, `${sim.url}/v19.0/${NUMBER}/messages`, text('16505551234', 'hi'))).status,
  ).toBe(200)
  expect(
    (await graph(sim, `${sim.url}/${NUMBER}/messages`, text('16505551234', 'hi'))).body.error.code,
  ).toBe(2500)
})

test('Brazilian mobiles beyond area code 30 get a wa_id without the ninth digit', async () => {
  await using sim = await simulation()
  const waId = async (to: string) =>
    (await graph(sim, `${NUMBER}/messages`, text(to, 'oi'))).body.contacts[0].wa_id
  expect(await waId('+5547984178525')).toBe('554784178525')
  expect(await waId('+5511912345678')).toBe('5511912345678')
})

test('a send by user id is answered without wa_id, and authentication templates refuse it', async () => {
  const login = {
    name: 'login',
    language: 'en_US',
    category: 'AUTHENTICATION' as const,
    components: [{ type: 'BODY' as const, text: '{{1}}' }],
  }
  await using sim = await simulation({
    state: { ...state(), templates: { [WABA]: [hello, login] } },
  })
  const byId = { to: undefined, recipient: 'US.13491208655302741918' }
  const { body } = await graph(sim, `${NUMBER}/messages`, { ...template(''), ...byId })
  expect(body.contacts).toEqual([{ input: byId.recipient, user_id: byId.recipient }])
  const refused = await graph(sim, `${NUMBER}/messages`, {
    ...template('', {}, { name: 'login' }),
    ...byId,
  })
  expect(refused.body.error.code).toBe(131062)
})

test('access is refused as Meta refuses it', async () => {
  await using sim = await simulation()
  const send = (id: string, token: string | null) =>
    graph(sim, `${id}/messages`, text('16505551234', 'hi'), token)
  const none = await send(NUMBER, null)
  expect([none.status, none.body.error.code, none.body.error.message]).toEqual([
    400,
    200,
    '(#200) Provide valid app ID',
  ])
  const unknown = await send(NUMBER, 'nonsense')
  expect([unknown.status, unknown.body.error]).toEqual([
    401,
    {
      message: 'Invalid OAuth access token - Cannot parse access token',
      type: 'OAuthException',
      code: 190,
      fbtrace_id: expect.stringMatching(/^A.{22}$/),
    },
  ])
  for (const [id, token] of [['999', TOKEN] as const, [SECOND, TOKEN] as const]) {
    const missing = await send(id, token)
    expect(missing.status).toBe(400)
    expect(missing.body.error).toMatchObject({
      type: 'GraphMethodException',
      code: 100,
      error_subcode: 33,
    })
    expect(missing.body.error.message).toMatch(
      `Unsupported post request. Object with ID '${id}' does not exist`,
    )
    expect(missing.text).toContain('https:\\/\\/developers.facebook.com\\/docs\\/graph-api')
  }
})

const person = '16505551234'

function named(...parameters: Any[]) {
  return template(
    person,
    {},
    { name: 'delivery_update', components: [{ type: 'body', parameters }] },
  )
}

function words(...list: string[]) {
  return list.map((each) => ({ type: 'text', text: each }))
}

function button(text: string) {
  return { type: 'button', sub_type: 'url', index: '0', parameters: words(text) }
}

function invitation(image: Any) {
  const parts = [
    { type: 'header', parameters: [image] },
    { type: 'body', parameters: words('Ana', 'Saturday') },
  ]
  return template(person, {}, { name: 'workshop_invitation', components: parts })
}

function confirmation(more: Any[]) {
  const parts = [
    { type: 'header', parameters: words('A-1') },
    { type: 'body', parameters: words('Ana', '3 items', '€ 42') },
  ]
  return template(person, {}, { name: 'order_confirmation', components: [...parts, ...more] })
}

/** What is wrong, the body, and the HTTP status and code of the answer. */
type FaultySend = [string, unknown, number, number]

function faultySends(): FaultySend[] {
  return [
    ['no JSON', '{', 400, 100],
    ['no product', { ...text(person, 'hi'), messaging_product: undefined }, 400, 100],
    ['no recipient', { ...text(person, 'hi'), to: undefined }, 400, 100],
    ['no number', text('twelve', 'hi'), 400, 131009],
    ['itself', text('15550000001', 'hi'), 400, 131021],
    ['no such type', { ...text(person, 'hi'), type: 'fax' }, 400, 100],
    ['empty text', text(person, ''), 400, 100],
    ['long text', text(person, 'x'.repeat(4097)), 400, 100],
    [
      'long callback data',
      template(person, { biz_opaque_callback_data: 'x'.repeat(513) }),
      400,
      100,
    ],
    ['no template', { ...template(person), template: undefined }, 400, 131008],
    ['no language', template(person, {}, { language: undefined }), 400, 131008],
    ['unknown template', template(person, {}, { name: 'nothing' }), 404, 132001],
    ['unknown language', template(person, {}, { language: { code: 'de' } }), 404, 132001],
    ['pending', template(person, {}, { name: 'autumn_preview' }), 404, 132001],
    ['paused', template(person, {}, { name: 'last_chance' }), 400, 132015],
    ['disabled', template(person, {}, { name: 'winter_clearance' }), 400, 132016],
    ['too few parameters', template(person, {}, { components: [] }), 400, 132000],
    [
      'wrong kind',
      template(
        person,
        {},
        {
          components: [
            { type: 'body', parameters: [{ type: 'image' }, { type: 'text', text: 'x' }] },
          ],
        },
      ),
      400,
      132012,
    ],
    ['no image', template(person, {}, { name: 'workshop_invitation' }), 400, 132012],
    [
      'unnamed',
      named({ type: 'text', text: 'Ana' }, { type: 'text', text: 'Tuesday' }),
      400,
      132012,
    ],
    ['no link', invitation({ type: 'image', image: { link: 'photo.png' } }), 400, 131009],
    ['no button parameter', confirmation([]), 400, 131008],
    ['line break in a button', confirmation([button('A\n1')]), 400, 132018],
    ...['a\nb', 'a\rb', 'a\tb', 'a     b'].map(
      (word): FaultySend => [
        JSON.stringify(word),
        template(person, {}, { components: [{ type: 'body', parameters: words(word, 'x') }] }),
        400,
        132018,
      ],
    ),
  ]
}

test('a faulty send is refused with the code of its fault', async () => {
  await using sim = await simulation({
    state: { ...state(), templates: { [WABA]: [hello, ...demoTemplates()] } },
  })
  for (const [what, body, status, code] of faultySends()) {
    const answer = await graph(sim, `${NUMBER}/messages`, body)
    expect([what, answer.status, answer.body.error?.code]).toEqual([what, status, code])
    expect(answer.body.error.message).toMatch(new RegExp(`^\\(#${code}\\) `))
  }
  const few = await graph(
    sim,
    `${NUMBER}/messages`,
    template(
      person,
      {},
      { components: [{ type: 'body', parameters: [{ type: 'text', text: 'x' }] }] },
    ),
  )
  expect(few.body.error.error_data).toEqual({
    messaging_product: 'whatsapp',
    details:
      'body: number of localizable_params (1) does not match the expected number of params (2)',
  })
  expect((await graph(sim, `${NUMBER}/messages`, confirmation([button('A-1')]))).status).toBe(200)
  const image = { type: 'image', image: { link: 'https://shop.example/photo.png' } }
  expect((await graph(sim, `${NUMBER}/messages`, invitation(image))).status).toBe(200)
  const spaced = template(
    person,
    {},
    { components: [{ type: 'body', parameters: words('a    b', 'x') }] },
  )
  expect((await graph(sim, `${NUMBER}/messages`, spaced)).status).toBe(200)
  const right = named(
    { type: 'text', parameter_name: 'delivery_day', text: 'Tuesday' },
    { type: 'text', parameter_name: 'first_name', text: 'Ana' },
  )
  expect((await graph(sim, `${NUMBER}/messages`, right)).status).toBe(200)
})

test('paging through the templates brings each exactly once and ends without next', async () => {
  await using sim = await simulation({ state: demoState() })
  const [wabaId] = Object.keys(demoState().templates!)
  const seen: string[] = []
  let path: string | undefined = `${wabaId}/message_templates?limit=5&fields=name,language,status`
  let pages = 0
  for (; path; pages++) {
    const { body } = await graph(sim, path, undefined, 'demo-token')
    expect(body.paging.cursors).toEqual({ before: expect.any(String), after: expect.any(String) })
    expect(Object.keys(body.data[0]).toSorted()).toEqual(['id', 'language', 'name', 'status'])
    seen.push(...body.data.map((each: Any) => `${each.name} ${each.language}`))
    path = body.paging.next
    if (path) expect(new URL(path).searchParams.get('after')).toBe(body.paging.cursors.after)
  }
  expect(pages).toBe(3)
  expect(seen).toEqual(demoTemplates().map((each) => `${each.name} ${each.language}`))
})

test('each call for a page of templates is in the log before it is answered, a refused one too', async () => {
  await using sim = await simulation()
  const asked = async () =>
    (await Array.fromAsync(sim.client.log({ kind: 'template-list' }))).map(
      (line) => 'wabaId' in line && line.wabaId,
    )
  await graph(sim, `${WABA}/message_templates`)
  expect(await asked()).toEqual([WABA])
  expect(
    (await graph(sim, `${WABA}/message_templates`, undefined, 'a wrong token')).status,
  ).not.toBe(200)
  expect(await asked()).toEqual([WABA, WABA])
})

test('a number tells its quality, throughput and limit when asked', async () => {
  await using sim = await simulation({ callbackUrl: 'http://127.0.0.1:9/hook' })
  const fields =
    'display_phone_number,verified_name,quality_rating,throughput,whatsapp_business_manager_messaging_limit,webhook_configuration'
  const { body } = await graph(sim, `${NUMBER}?fields=${fields}`)
  expect(body).toEqual({
    id: NUMBER,
    display_phone_number: '+1 555-000-0001',
    verified_name: 'Simulated business',
    quality_rating: 'GREEN',
    throughput: { level: 'STANDARD' },
    whatsapp_business_manager_messaging_limit: 'TIER_2K',
    webhook_configuration: { application: 'http://127.0.0.1:9/hook' },
  })
  const list = await graph(sim, `${WABA}/phone_numbers?fields=id`)
  expect(list.body.data).toEqual([{ id: NUMBER }, { id: SECOND }])
  expect(list.body.paging.next).toBeUndefined()
})

test('errors come by order and by share, on sends and on everything else', async () => {
  await using sim = await simulation()
  await sim.client.setSettings({
    errors: {
      next: [
        { code: 131048, count: 2 },
        { code: 4, count: 1, on: 'management' },
      ],
    },
  })
  const codes: (number | undefined)[] = []
  for (let nth = 0; nth < 3; nth++)
    codes.push((await graph(sim, `${NUMBER}/messages`, template('16505551234'))).body.error?.code)
  expect(codes).toEqual([131048, 131048, undefined])
  const limited = await graph(sim, `${WABA}/message_templates`)
  expect([limited.status, limited.body.error.message]).toEqual([
    429,
    '(#4) Application request limit reached',
  ])
  expect(limited.headers.get('retry-after')).toBe('120')
  expect(JSON.parse(limited.headers.get('x-business-use-case-usage')!)[WABA][0]).toMatchObject({
    type: 'whatsapp',
    call_count: 100,
  })
  expect((await graph(sim, `${WABA}/message_templates`)).status).toBe(200)

  await sim.client.setSettings({ errors: { shares: { 130429: 1 } } })
  expect((await graph(sim, `${NUMBER}/messages`, template('16505551234'))).body.error.code).toBe(
    130429,
  )
  expect((await sim.client.summary()).rejected).toEqual({ 131048: 2, 130429: 1 })
})

test('an error is ordered with its subcode', async () => {
  await using sim = await simulation()
  await sim.client.setSettings({ errors: { next: [{ code: 190, subcode: 463, count: 1 }] } })
  const { body } = await graph(sim, `${NUMBER}/messages`, template('16505551234'))
  expect(body.error).toMatchObject({ code: 190, error_subcode: 463 })
})

test('limits bind when they are set: per second, per minute, per pair', async () => {
  await using sim = await simulation()
  const codes = (people: string[], id = NUMBER, token = TOKEN) =>
    Promise.all(
      people.map(
        async (to) =>
          (await graph(sim, `${id}/messages`, text(to, 'hi'), token)).body.error?.code ?? 0,
      ),
    )
  await sim.client.setSettings({ limits: { pair: { everyMs: 6_000, burst: 2 } } })
  expect(
    (await codes(['16505550001', '16505550001', '16505550001', '16505550002'])).toSorted(),
  ).toEqual([0, 0, 0, 131056])
  await sim.client.setSettings({ limits: { pair: null, perMinute: 5 } })
  expect((await codes(['16505550003', '16505550004', '16505550005'])).toSorted()).toEqual([
    0, 0, 130429,
  ])
  await sim.client.setSettings({ limits: { perMinute: null, perSecond: 2 } })
  const second = await codes(
    ['16505550006', '16505550007', '16505550008'],
    SECOND,
    'token-of-the-second',
  )
  expect(second.toSorted()).toEqual([0, 0, 130429])
})

test('what Meta holds against an account or a number stands behind their sends, until it ends', async () => {
  await using sim = await simulation()
  const codes = async (number = NUMBER) => {
    const answers = [
      await graph(sim, `${number}/messages`, template('16505551234')),
      await graph(sim, `${number}/messages`, text('16505551234', 'hi')),
    ]
    return answers.map(({ body }) => body.error?.code ?? 0)
  }
  const decide = (event: Parameters<typeof sim.client.accountEvent>[0]) =>
    sim.client.accountEvent(event)
  const restrict = (type: string, endsAtMs: number | null) =>
    decide({
      wabaId: WABA,
      phoneNumberId: NUMBER,
      event: 'ACCOUNT_RESTRICTION',
      restrictions: [{ type, endsAtMs }],
    })
  await restrict('RESTRICTED_BIZ_INITIATED_MESSAGING', Date.now() - 1)
  await restrict('RESTRICTED_BUSINESS_INITIATED_CALLING', null)
  expect(await codes()).toEqual([0, 0])
  await restrict('RESTRICTED_BIZ_INITIATED_MESSAGING', null)
  expect(await codes()).toEqual([368, 0])
  await restrict('RESTRICTED_CUSTOMER_INITIATED_MESSAGING', Date.now() + 60_000)
  expect(await codes()).toEqual([368, 368])
  await decide({
    wabaId: WABA,
    phoneNumberId: NUMBER,
    event: 'ACCOUNT_RESTRICTION',
    lifts: ['RESTRICTED_BIZ_INITIATED_MESSAGING'],
  })
  expect(await codes()).toEqual([0, 368])
  await decide({ wabaId: WABA, phoneNumberId: NUMBER, event: 'ACCOUNT_RECONNECTED' })
  for (const [event, code] of [
    ['DISABLED_UPDATE', 131031],
    ['PARTNER_REMOVED', 10],
    ['REVIEW', 131031],
  ] as const) {
    await decide({ wabaId: WABA, event })
    expect(await codes(), event).toEqual([code, code])
    await decide({ wabaId: WABA, event: 'ACCOUNT_RECONNECTED' })
  }
  expect(await codes()).toEqual([0, 0])
  await expect(decide({ wabaId: WABA, phoneNumberId: 'none', event: 'REVIEW' })).rejects.toThrow(
    'no WABA',
  )
})

test('a proof of the app secret is checked where it is given, and demanded where the app wants it', async () => {
  await using sim = await simulation()
  const proofOf = (token: string) =>
    createHmac('sha256', 'secret of the app').update(token).digest('hex')
  const owned = state().numbers!.map((number) => ({ ...number, appId: '1' }))
  await sim.client.setState({ numbers: owned })
  const send = (query: string) =>
    graph(sim, `${NUMBER}/messages${query}`, text('16505551234', 'hi'), TOKEN)
  const codes = async (query: string) => {
    const answers = [
      await send(query),
      await graph(sim, `${NUMBER}${query}`, undefined, TOKEN),
      await graph(sim, `${WABA}/phone_numbers${query}`, undefined, TOKEN),
    ]
    return answers.map(({ body }) => body.error?.message)
  }
  const [right, wrong] = [proofOf(TOKEN), proofOf('another token')].map(
    (proof) => `?appsecret_proof=${proof}`,
  )
  const refused = 'Invalid appsecret_proof provided in the API argument'
  expect(await codes('')).toEqual([undefined, undefined, undefined])
  expect(await codes(right!)).toEqual([undefined, undefined, undefined])
  expect(await codes(wrong!)).toEqual([refused, refused, refused])
  await sim.client.setState({ apps: [{ ...state().apps![0]!, requireAppSecret: true }] })
  const demanded = 'API calls from the server require an appsecret_proof argument'
  expect(await codes('')).toEqual([demanded, demanded, demanded])
  expect(await codes(right!)).toEqual([undefined, undefined, undefined])
  const byApp = async (query: string) => {
    const headers = { authorization: 'Bearer 1|secret of the app' }
    return (await fetch(`${sim.url}/v24.0/1${query}`, { headers })).status
  }
  expect([
    await byApp(''),
    await byApp(`?appsecret_proof=${proofOf('1|secret of the app')}`),
  ]).toEqual([400, 200])
})

test.each([
  ['that is over', { tokenExpiresAtMs: 1_000 }, 463],
  ['that was withdrawn', { tokenRevoked: true }, 460],
])('a token %s is refused by its number and WABA', async (_what, more, subcode) => {
  await using sim = await simulation()
  await sim.client.setState({ numbers: [{ ...state().numbers![0]!, ...more }] })
  for (const path of [NUMBER, `${WABA}/phone_numbers`]) {
    const { status, body } = await graph(sim, path, undefined, TOKEN)
    expect([status, body.error]).toEqual([
      401,
      expect.objectContaining({ code: 190, error_subcode: subcode }),
    ])
  }
})
