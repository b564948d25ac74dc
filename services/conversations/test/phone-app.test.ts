import { afterAll, beforeAll, expect, test } from 'vitest'
import { lastWamid, now, openThreads, text } from './threads.ts'

const own = '15550001'
const ada = '4917000001'
const day = 24 * 3_600_000

let threads: Awaited<ReturnType<typeof openThreads>>
beforeAll(async () => {
  threads = await openThreads()
})
afterAll(() => threads?.[Symbol.asyncDispose]())

const toAda = { from: own, to: ada }

test('what the business writes in the phone app stands in the thread, once, and neither opens a window nor waits to be read', async () => {
  const { post, people, conversations, thread, inboundCount } = await threads.tenant()
  await post('messages', {
    messages: [text('Is it open today?', { from: ada, timestamp: String(now - 60) })],
  })
  const [before] = await conversations()
  const answer = text('Yes, until six', { ...toAda, context: { id: lastWamid() } })
  for (let times = 0; times < 2; times++)
    await post('smb_message_echoes', { message_echoes: [answer, answer] })
  expect(await conversations()).toMatchObject([
    {
      id: before!.id,
      unread: 1,
      windowUntilMs: (now - 60) * 1000 + day,
      lastText: 'Yes, until six',
      lastMessageAtMs: now * 1000,
    },
  ])
  const [contact] = await people()
  expect(await thread()).toMatchObject([
    {
      direction: 'out',
      source: 'phone_app',
      type: 'text',
      text: 'Yes, until six',
      contactId: '',
      atMs: now * 1000,
    },
    { direction: 'in', source: 'cloud_api', text: 'Is it open today?', contactId: contact!.id },
  ])
  expect(await inboundCount()).toBe(1)
})

test("the business's STOP is nobody's, and whom it writes to has not written", async () => {
  const { post, people, conversations } = await threads.tenant()
  await post('smb_message_echoes', {
    contacts: [{ wa_id: ada, profile: { name: 'Ada' } }],
    message_echoes: [text('STOP', toAda)],
  })
  expect(await people()).toMatchObject([
    { phone: ada, name: 'Ada', optedOut: false, lastInboundAtMs: undefined },
  ])
  expect(await conversations()).toMatchObject([
    { unread: 0, windowUntilMs: undefined, lastText: 'STOP' },
  ])
})

test('an edit or deletion changes messages of its own side only, and the two sides react apart', async () => {
  const { post, thread } = await threads.tenant()
  const [question, answer] = [
    text('Two?', { from: ada, timestamp: String(now - 9) }),
    text('Three', { ...toAda, timestamp: String(now - 8) }),
  ]
  const edit = (target: string, sides: object, body: string) =>
    text('', {
      ...sides,
      type: 'edit',
      edit: { original_message_id: target, message: { type: 'text', text: { body } } },
    })
  const revoke = (target: string, sides: object) =>
    text('', { ...sides, type: 'revoke', revoke: { original_message_id: target } })
  const like = (sides: object, emoji: string) =>
    text('', { ...sides, type: 'reaction', reaction: { message_id: question.id, emoji } })
  await post('messages', {
    messages: [question, edit(answer.id, { from: ada }, 'Nothing'), like({ from: ada }, '❤️')],
  })
  await post('smb_message_echoes', {
    message_echoes: [
      answer,
      edit(answer.id, toAda, 'Four'),
      revoke(question.id, toAda),
      like(toAda, '👍'),
    ],
  })
  const byText = Object.fromEntries((await thread()).map((message) => [message.wamid, message]))
  expect(byText[answer.id]).toMatchObject({
    text: 'Four',
    originalText: 'Three',
    revokedAtMs: undefined,
  })
  expect(byText[question.id]).toMatchObject({ text: 'Two?', revokedAtMs: undefined })
  const reactions = byText[question.id]!.reactions.map(({ emoji, contactId }) => [
    emoji,
    contactId !== '',
  ])
  expect(reactions.sort()).toEqual(
    [
      ['👍', false],
      ['❤️', true],
    ].sort(),
  )
})

test('a call is one entry of the thread, opens the window by when it was made, and is no message', async () => {
  const { post, conversations, thread, inboundCount } = await threads.tenant()
  const call = (event: object) => ({
    id: 'wacid.A',
    from: ada,
    to: own,
    direction: 'USER_INITIATED',
    ...event,
  })
  const times = {
    start_time: String(now - 90),
    end_time: String(now - 60),
    timestamp: String(now - 60),
  }
  await post('calls', {
    calls: [call({ event: 'terminate', status: 'COMPLETED', duration: 30, ...times })],
  })
  for (let repeats = 0; repeats < 2; repeats++)
    await post('calls', { calls: [call({ event: 'connect', timestamp: String(now - 100) })] })
  expect(await conversations()).toMatchObject([
    {
      unread: 1,
      windowUntilMs: (now - 90) * 1000 + day,
      lastText: '[call of 0 min 30 s]',
      lastMessageAtMs: (now - 100) * 1000,
    },
  ])
  const [entry, ...others] = await thread()
  expect(others).toEqual([])
  expect(entry).toMatchObject({
    wamid: 'wacid.A',
    direction: 'in',
    source: 'cloud_api',
    type: 'call',
    text: '[call of 0 min 30 s]',
  })
  expect(JSON.parse(entry!.contentJson)).toEqual({
    connect_at: new Date((now - 100) * 1000).toISOString(),
    started_at: new Date((now - 90) * 1000).toISOString(),
    ended_at: new Date((now - 60) * 1000).toISOString(),
    ...{ status: 'completed', duration_seconds: 30 },
  })
  expect(await inboundCount()).toBe(0)
})

test('a call of the business opens the window only once it is picked up', async () => {
  const { post, people, conversations } = await threads.tenant()
  const status = (word: string, at: number) => ({
    id: 'wacid.B',
    type: 'call',
    status: word,
    recipient_id: ada,
    timestamp: String(at),
  })
  await post('calls', { statuses: [status('RINGING', now - 20)] })
  expect(await conversations()).toMatchObject([
    { unread: 0, windowUntilMs: undefined, lastText: '[call]' },
  ])
  await post('calls', { statuses: [status('RINGING', now - 20), status('ACCEPTED', now - 10)] })
  expect(await conversations()).toMatchObject([
    { unread: 0, windowUntilMs: (now - 10) * 1000 + day },
  ])
  expect(await people()).toMatchObject([{ phone: ada }])
})

test('the past stands in the thread by its own times: no window, nothing unread, nothing counted, and a stop of its time', async () => {
  const { post, people, conversations, thread, inboundCount } = await threads.tenant()
  const old = (hours: number) => String(now - hours * 3_600)
  const past = (...messages: object[]) => ({
    history: [{ metadata: { phase: 0, progress: 100 }, threads: [{ id: ada, messages }] }],
  })
  const [stop, answer] = [
    text('STOP', { from: ada, timestamp: old(2) }),
    text('As you wish', { ...toAda, timestamp: old(1) }),
  ]
  const image = { id: 'wamid.file', from: ada, timestamp: old(3) }
  const placeholder = { ...image, type: 'media_placeholder' }
  for (let times = 0; times < 2; times++) await post('history', past(placeholder, stop, answer))
  for (let times = 0; times < 2; times++)
    await post('history', {
      messages: [
        { ...image, type: 'image', image: { id: '55', mime_type: 'image/jpeg', sha256: 'x' } },
      ],
    })
  await post('history', past(placeholder))
  expect(await conversations()).toMatchObject([
    { unread: 0, windowUntilMs: undefined, lastText: 'As you wish' },
  ])
  expect(await thread()).toMatchObject([
    { direction: 'out', source: 'history', text: 'As you wish', atMs: Number(old(1)) * 1000 },
    { direction: 'in', source: 'history', text: 'STOP' },
    { direction: 'in', source: 'history', type: 'image', media: { id: '55' } },
  ])
  expect(await inboundCount()).toBe(0)
  expect(await people()).toMatchObject([{ phone: ada, optedOut: true, lastInboundAtMs: undefined }])
})

test('a start of the past takes no stop back, and an older stop no start of today', async () => {
  const { post, people } = await threads.tenant()
  const past = (body: string, hours: number) => ({
    history: [
      {
        threads: [
          {
            id: ada,
            messages: [text(body, { from: ada, timestamp: String(now - hours * 3_600) })],
          },
        ],
      },
    ],
  })
  await post('history', past('STOP', 9))
  await post('history', past('START', 8))
  expect(await people()).toMatchObject([{ optedOut: true }])
  await post('messages', { messages: [text('START', { from: ada, timestamp: String(now - 60) })] })
  await post('history', past('STOP', 7))
  expect(await people()).toMatchObject([{ optedOut: false }])
})

test("the phone's name for a person is the contact's, until the account gives one, and has no effect when it is given up", async () => {
  const { post, people, conversations } = await threads.tenant()
  const book = (name: string, action = 'add') => {
    const contact = { full_name: name, phone_number: ada }
    return {
      state_sync: [{ type: 'contact', action, contact, metadata: { timestamp: String(now) } }],
    }
  }
  await post('messages', {
    contacts: [{ wa_id: ada, profile: { name: 'ada ✨' } }],
    messages: [text('Hello', { from: ada })],
  })
  await post('smb_app_state_sync', book('Ada from the market'))
  await post('smb_app_state_sync', book('Ada from the market', 'remove'))
  expect(await people()).toMatchObject([{ name: 'Ada from the market', profileName: 'ada ✨' }])
  expect(await conversations()).toHaveLength(1)
})

test('what is said while another sender answers stands in the thread: it opens the window, waits for nobody, and a stop counts', async () => {
  const { post, people, conversations, thread } = await threads.tenant()
  const [asked, answered] = [
    text('STOP', { from: ada, timestamp: String(now - 9) }),
    text('Done', { ...toAda, timestamp: String(now - 8) }),
  ]
  await post('standby', { messages: [asked], message_echoes: [answered] })
  expect(await thread()).toMatchObject([
    { direction: 'out', source: 'standby', text: 'Done' },
    { direction: 'in', source: 'standby', text: 'STOP' },
  ])
  expect(await conversations()).toMatchObject([
    { unread: 0, windowUntilMs: (now - 9) * 1000 + day },
  ])
  expect(await people()).toMatchObject([{ optedOut: true }])
})
