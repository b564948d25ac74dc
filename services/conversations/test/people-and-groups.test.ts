import { afterAll, beforeAll, expect, test } from 'vitest'
import { now, openThreads, text } from './threads.ts'

const day = 24 * 3_600_000

let threads: Awaited<ReturnType<typeof openThreads>>
beforeAll(async () => {
  threads = await openThreads()
})
afterAll(() => threads?.[Symbol.asyncDispose]())

test('who is named in two ways is stopped as one person', async () => {
  const { post, people, conversations } = await threads.tenant()
  const caio = {
    profile: { name: 'Caio', username: 'caio' },
    wa_id: '553177776666',
    user_id: 'BR.U1',
    parent_user_id: 'BR.ENT.P1',
  }
  await post('messages', { contacts: [caio], messages: [text('oi', { from: '5531977776666' })] })
  await post('messages', {
    contacts: [{ user_id: 'BR.U1' }],
    messages: [text('STOP', { from_user_id: 'BR.U1' })],
  })
  const known = {
    phone: '5531977776666',
    userId: 'BR.U1',
    name: 'Caio',
    username: 'caio',
    optedOut: true,
  }
  expect(await people()).toMatchObject([known])
  // Another portfolio of the same business knows the person by the parent's id.
  const elsewhere = { user_id: 'BR.X9', parent_user_id: 'BR.ENT.P1' }
  await post('messages', {
    contacts: [elsewhere],
    messages: [text('again', { from_user_id: 'BR.X9', timestamp: String(now - 9) })],
  })
  expect(await people()).toMatchObject([known])
  expect(await conversations()).toMatchObject([{ unread: 3 }])
})

test('a message is stored for whoever the value names: without a sender, with a plus, with an id that is none', async () => {
  const { post, people } = await threads.tenant()
  await post('messages', { contacts: [{ user_id: 'DE.U2' }], messages: [text('no sender')] })
  await post('messages', {
    messages: [
      text('plus', { from: '+4916012345678' }),
      text('blanks', { from: ' 49 160 1234 5679 ' }),
    ],
  })
  await post('messages', {
    messages: [text('no id', { from: '4916012345670', from_user_id: 'foo_bar' })],
  })
  const ids = (await people()).map(({ phone, userId }) => [phone, userId])
  expect(ids.sort()).toEqual([
    ['', 'DE.U2'],
    ['4916012345670', ''],
    ['4916012345678', ''],
    ['4916012345679', ''],
  ])
})

test('a message whose id no index could hold costs its neighbours nothing', async () => {
  const { post, people, conversations, messages } = await threads.tenant()
  const long = 'x'.repeat(6_000)
  const from = '4917000001'
  await post('messages', {
    contacts: [{ wa_id: from, user_id: `DE.${long}`, profile: { name: 'Ada' } }],
    messages: [
      text('one', { from }),
      text('lost', { from, id: long }),
      text('two', { from, context: { id: long } }),
    ],
  })
  expect(await people()).toMatchObject([{ phone: from, userId: '', name: 'Ada' }])
  const [conversation] = await conversations()
  expect((await messages(conversation!.id)).map((message) => message.text).sort()).toEqual([
    'one',
    'two',
  ])
})

test("no time of Meta's counts as later than its receipt: neither a start nor a window", async () => {
  const { post, people, conversations } = await threads.tenant()
  const from = '4917000002'
  const said = async (body: string, at: number) =>
    post('messages', { messages: [text(body, { from, timestamp: String(at) })] })
  await said('START', now + 3_600)
  await said('STOP', Math.floor(Date.now() / 1000))
  expect(await people()).toMatchObject([{ optedOut: true }])
  await said('from the year 2200', 7_258_118_400)
  const { windowUntilMs, lastMessageAtMs } = (await conversations())[0]!
  expect(windowUntilMs).toBe(lastMessageAtMs + day)
  expect(lastMessageAtMs).toBeLessThanOrEqual(Date.now())
})

test("what is written in a group is the group's: no chat and no window of the person's own, yet their stop counts", async () => {
  const { post, people, conversations, messages } = await threads.tenant()
  const [ada, bob] = ['4917000003', '4917000004']
  const group_id = 'Y2FwaV9ncm91cDox'
  const contacts = [ada, bob].map((wa_id) => ({ wa_id, profile: { name: wa_id } }))
  const hello = text('Hello all', { from: ada, group_id })
  const like = (from: string, emoji: string) => ({
    ...text('', { from, group_id }),
    type: 'reaction',
    reaction: { message_id: hello.id, emoji },
  })
  const gif = {
    ...text('', { from: bob, group_id, timestamp: String(now - 60) }),
    type: 'unsupported',
    unsupported: { type: 'gif' },
  }
  await post('messages', { contacts, messages: [hello, like(ada, '👍'), like(bob, '🎉'), gif] })
  const [group, ...others] = await conversations()
  expect(others).toEqual([])
  expect(group).toMatchObject({
    groupId: group_id,
    contactId: '',
    unread: 2,
    windowUntilMs: now * 1000 + day,
  })
  const idOf = new Map((await people()).map(({ phone, id }) => [phone, id]))
  expect(await messages(group!.id)).toMatchObject([
    {
      ...{ text: 'Hello all', groupId: group_id, contactId: idOf.get(ada) },
      reactions: [
        { emoji: '👍', contactId: idOf.get(ada) },
        { emoji: '🎉', contactId: idOf.get(bob) },
      ],
    },
    { text: '[unsupported message: gif]', groupId: group_id, contactId: idOf.get(bob) },
  ])
  expect(await people()).toMatchObject([
    { lastInboundAtMs: undefined },
    { lastInboundAtMs: undefined },
  ])

  await post('messages', {
    contacts,
    messages: [text('STOP', { from: ada, group_id, timestamp: String(now - 30) })],
  })
  // What is said before others takes no stop back.
  await post('messages', { contacts, messages: [text('START', { from: ada, group_id })] })
  await post('messages', { contacts, messages: [text('Only to you', { from: bob })] })
  const stopped = new Map((await people()).map(({ phone, optedOut }) => [phone, optedOut]))
  expect([stopped.get(ada), stopped.get(bob)]).toEqual([true, false])
  expect((await conversations()).map((one) => [one.groupId, one.contactId, one.unread])).toEqual(
    expect.arrayContaining([
      [group_id, '', 4],
      ['', idOf.get(bob), 1],
    ]),
  )
})

test('a profile name that changes changes the name, in whatever order it is told; a sign-up is an opt-in with its id', async () => {
  const { post, people, accountId } = await threads.tenant()
  const from = '4917000005'
  const named = (name: string, at: number) => ({
    contacts: [{ wa_id: from, profile: { name } }],
    messages: [text('Hi', { from, timestamp: String(at) })],
  })
  await post('messages', named('Ada', now - 30))
  await post('messages', named('Ada Lovelace', now - 10))
  await post('messages', named('A.', now - 20))
  expect(await people()).toMatchObject([{ name: 'Ada Lovelace', profileName: 'Ada Lovelace' }])
  const chosen = (value: string, timestamp: number) => ({
    wa_id: from,
    value,
    category: 'marketing_messages',
    signup_id: '5001',
    timestamp,
  })
  await post('user_preferences', { user_preferences: [chosen('stop', now - 9)] })
  await post('user_preferences', { user_preferences: [chosen('signup', now - 5)] })
  expect(await people()).toMatchObject([{ optedOut: false }])
  const said = await threads.stack.world.sql(
    "select via, evidence from contacts.consents where kind = 'opt_in' and account_id = $1",
    [accountId],
  )
  expect(said).toEqual([{ via: 'preference', evidence: 'sign-up 5001' }])
})

test('long texts are listed whole, in pages that end sooner', async () => {
  const { post, conversations, ...owner } = await threads.tenant()
  const from = '4917000006'
  const long = '😀'.repeat(65_536)
  const all = Array.from({ length: 18 }, (_, i) => text(long, { from, timestamp: String(now - i) }))
  // Each is as large as a part.
  await post('messages', { messages: all.slice(9) }, 9)
  await post('messages', { messages: all.slice(0, 9) }, 9)
  const [conversation] = await conversations()
  expect(conversation!.lastText).toBe(`${'😀'.repeat(1_000)}…`)
  const listed = []
  const pages: number[] = []
  for (let after = ''; ; ) {
    const page = await threads.service.client.listMessages(
      { conversationId: conversation!.id, after, limit: 0 },
      owner,
    )
    listed.push(...page.messages.map((message) => [message.wamid, message.text === long]))
    pages.push(page.messages.length)
    after = page.nextAfter
    if (after === '') break
  }
  expect(listed).toEqual(all.map(({ id }) => [id, true]))
  expect(pages).toEqual([16, 2])
})
