import { once } from 'node:events'
import { AppError, CallNotSent, type Failure, failures } from '@lockstep/contracts'
import { createLogger } from '@lockstep/telemetry'
import { until } from '@lockstep/testing'
import { Metadata } from 'nice-grpc-common'
import { afterEach, expect, test } from 'vitest'
import {
  type AudienceBatch,
  ContactsDefinition,
  type CreateImportRequest,
} from '../gen/lockstep/contacts/v1/contacts.ts'
import { FeedDefinition, type TakeRequest } from '../gen/lockstep/feed/v1/feed.ts'
import {
  accountOf,
  type BoundService,
  type Call,
  connect,
  failureOfStatus,
  serve,
} from '../src/index.ts'
import { serveSome } from './served.ts'

const accountId = '0198c000-0000-7000-8000-000000000001'
const nothing = { lane: '', maxEntries: 0, maxBytes: 0 }
const log = createLogger({ service: 'test', level: 'silent' })
let stack = new AsyncDisposableStack()
afterEach(async () => {
  await stack.disposeAsync()
  stack = new AsyncDisposableStack()
})

const host = '127.0.0.1'
async function listen(...served: BoundService[]) {
  const server = stack.use(await serve({ host, port: 0, served, log }))
  return { server, address: `${host}:${server.port}` }
}

type Take = (
  ctx: unknown,
  request: TakeRequest,
  call: Call,
) => Promise<{ entries: []; nextDueMs: undefined }>
const answer = { entries: [] as [], more: false, nextDueMs: undefined }

/** A feed whose Take is given; a method that the test doesn't give is never called. */
async function takeClient(take: Take, operator = ['take']) {
  const { server, address } = await listen(serveSome(FeedDefinition, { take }, operator))
  return { server, client: stack.use(connect(FeedDefinition, address)) }
}

type Contacts = {
  streamAudience?: (
    ctx: unknown,
    request: unknown,
    call: Call,
  ) => AsyncIterable<Pick<AudienceBatch, 'contacts'>>
  createImport?: (
    ctx: unknown,
    requests: AsyncIterable<CreateImportRequest>,
    call: Call,
  ) => Promise<unknown>
}
async function contactsClient(methods: Contacts) {
  const { address } = await listen(serveSome(ContactsDefinition, methods as never))
  return stack.use(connect(ContactsDefinition, address))
}
const audience = { filter: undefined, category: '' } as never

test.each(Object.keys(failures) as Failure[])(
  'a failure "%s" crosses a call with its words, and stays what it is',
  async (failure) => {
    const words = `"Préfix" is wrong:\n  try 100 % more 😀`
    const { client } = await takeClient(async () => {
      throw new AppError(failure, words, { details: { secret: 'not for the caller' } })
    })
    await expect(client.take(nothing, {})).rejects.toMatchObject({
      name: 'AppError',
      failure,
      message: words,
    })
    expect(failureOfStatus(failures[failure].grpc)).toBe(failure)
  },
)

test('what nobody named leaves as internal without its words; very long words are cut, not lost', async () => {
  const { client } = await takeClient(async (_ctx, { maxKeys }) => {
    if (maxKeys === 0) throw new Error('password is hunter2')
    // One of them is cut between the halves of a surrogate pair.
    throw new AppError('invalid', 'x'.repeat(maxKeys % 2) + '😀'.repeat(10_000))
  })
  const error = await client.take(nothing, {}).catch((e: AppError) => e)
  expect(error).toMatchObject({ failure: 'internal' })
  expect(JSON.stringify(error) + (error as AppError).message).not.toContain('hunter2')
  for (const maxKeys of [1, 2])
    await expect(client.take({ ...nothing, maxKeys }, {})).rejects.toMatchObject({
      failure: 'invalid',
      message: expect.stringMatching(/^x?(😀){100}/),
    })
})

test('a call to a service that is away is busy and never left, and works as soon as it is there', async () => {
  const { server, client } = await takeClient(async () => answer)
  await client.take(nothing, {})
  await server[Symbol.asyncDispose]()
  await expect(client.take(nothing, {})).rejects.toMatchObject({ failure: 'busy' })
  using other = connect(FeedDefinition, `${host}:${server.port}`)
  await expect(other.take(nothing, {})).rejects.toMatchObject({
    constructor: CallNotSent,
    failure: 'busy',
  })
  const served = [serveSome(FeedDefinition, { take: async () => answer }, ['take'])]
  stack.use(await serve({ host, port: server.port, served, log }))
  expect(await until(() => client.take(nothing, {}))).toMatchObject(answer)
})

test('a message over the size limit is too large and not throttled, whichever way it goes', async () => {
  const { client } = await takeClient(async (_ctx, { lane }) => {
    if (lane === 'throttled') throw new AppError('throttled', 'Received too many calls')
    return {
      entries: [{ body: new Uint8Array(lane === 'answer' ? 17 * 1024 * 1024 : 0) }],
      nextDueMs: undefined,
    } as never
  })
  const large = { failure: 'too_large', message: expect.stringContaining('16 MB') }
  await expect(client.take({ ...nothing, lane: 'answer' }, {})).rejects.toMatchObject(large)
  await expect(
    client.take({ ...nothing, lane: 'x'.repeat(17 * 1024 * 1024) }, {}),
  ).rejects.toMatchObject(large)
  await expect(client.take({ ...nothing, lane: 'throttled' }, {})).rejects.toMatchObject({
    failure: 'throttled',
  })
})

test('a deadline ends the call at both ends', async () => {
  const ended = Promise.withResolvers<void>()
  const { client } = await takeClient(async (_ctx, _request, { signal }) => {
    await once(signal!, 'abort')
    ended.resolve()
    return answer
  })
  await expect(client.take(nothing, { timeoutMs: 50 })).rejects.toMatchObject({
    failure: 'timeout',
    message: expect.stringContaining('50 ms'),
  })
  await ended.promise
})

test('a caller that gives up gets its own reason, and the server stops', async () => {
  const ended = Promise.withResolvers<void>()
  const began = Promise.withResolvers<void>()
  const { client } = await takeClient(async (_ctx, _request, { signal }) => {
    began.resolve()
    await once(signal!, 'abort')
    ended.resolve()
    return answer
  })
  const lost = new AbortController()
  const reason = new AppError('conflict', 'The lock was lost')
  const call = client.take(nothing, { signal: lost.signal })
  await began.promise
  lost.abort(reason)
  await expect(call).rejects.toBe(reason)
  await ended.promise
  await expect(client.take(nothing, { signal: lost.signal })).rejects.toBe(reason)
})

test('a call leaves nothing behind: no timer, and no listener on a signal that outlives it', async () => {
  const { client } = await takeClient(async () => answer)
  const { signal } = new AbortController()
  const listeners = { added: 0, removed: 0 }
  for (const [name, count] of [
    ['addEventListener', 'added'],
    ['removeEventListener', 'removed'],
  ] as const) {
    const original = signal[name].bind(signal) as (...args: unknown[]) => void
    signal[name] = (...args: unknown[]) => {
      listeners[count]++
      original(...args)
    }
  }
  await client.take(nothing, { signal })
  const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
  const before = timers()
  for (let i = 0; i < 200; i++) await client.take(nothing, { signal })
  expect(timers() - before).toBeLessThan(10)
  expect(listeners).toEqual({ added: 201, removed: 201 })
})

test('a stream that fails in the middle gives what came before, then the failure', async () => {
  const client = await contactsClient({
    async *streamAudience() {
      yield { contacts: [] }
      yield { contacts: [] }
      throw new AppError('precondition', 'The filter has no end')
    },
  })
  let batches = 0
  const read = async () => {
    for await (const _ of client.streamAudience(audience, { accountId })) batches++
  }
  await expect(read()).rejects.toMatchObject({
    failure: 'precondition',
    message: 'The filter has no end',
  })
  expect(batches).toBe(2)
})

test('a reader that breaks off a stream stops the server', async () => {
  const ended = Promise.withResolvers<void>()
  const client = await contactsClient({
    async *streamAudience(_ctx, _request, { signal }) {
      signal!.addEventListener('abort', () => ended.resolve())
      for (;;) {
        yield { contacts: [] }
        await new Promise(setImmediate)
      }
    },
  })
  for await (const _ of client.streamAudience(audience, { accountId })) break
  await ended.promise
})

test('a stream has its deadline from the first read on, and its end on the other side', async () => {
  const ended = Promise.withResolvers<void>()
  const client = await contactsClient({
    async *streamAudience(_ctx, _request, { signal }) {
      yield { contacts: [] }
      await once(signal!, 'abort')
      ended.resolve()
    },
  })
  const read = async () => {
    for await (const _ of client.streamAudience(audience, { accountId, timeoutMs: 100 }));
  }
  await expect(read()).rejects.toMatchObject({ failure: 'timeout' })
  await ended.promise
})

test('an upload refused in the middle, or broken off by its sender, fails on the other side too', async () => {
  const seen = Promise.withResolvers<unknown>()
  const client = await contactsClient({
    async createImport(_ctx, requests, { accountId: _account }) {
      let count = 0
      try {
        for await (const _ of requests)
          if (++count === 3) throw new AppError('too_large', 'The file is too large')
      } catch (error) {
        seen.resolve(error)
        throw error
      }
      return {}
    },
  })
  const part = { part: undefined } as never
  async function* endless() {
    for (;;) {
      yield part
      await new Promise(setImmediate)
    }
  }
  await expect(client.createImport(endless(), { accountId })).rejects.toMatchObject({
    failure: 'too_large',
  })
  expect(await seen.promise).toMatchObject({ failure: 'too_large' })
  async function* broken() {
    yield part
    throw new Error('the disk is gone')
  }
  await expect(client.createImport(broken(), { accountId })).rejects.toThrow('the disk is gone')
})

test('closing lets a running call finish and refuses new ones', async () => {
  const began = Promise.withResolvers<void>()
  const finish = Promise.withResolvers<void>()
  const { server, client } = await takeClient(async () => {
    began.resolve()
    await finish.promise
    return answer
  })
  const running = client.take(nothing, {})
  await began.promise
  const closed = server[Symbol.asyncDispose]()
  await until(() =>
    client.take(nothing, { timeoutMs: 200 }).then(
      () => false,
      (error: AppError) => error.failure === 'busy',
    ),
  )
  finish.resolve()
  expect(await running).toMatchObject(answer)
  await closed
})

test('a tenant call names its account by a UUID; anything else is refused before the method runs', async () => {
  let ran = 0
  const { client } = await takeClient(async (_ctx, _request, call) => {
    ran++
    expect(call.accountId).toBe(accountId)
    return answer
  }, [])
  for (const wrong of [
    '',
    'acme',
    `${accountId}x`,
    accountId.toUpperCase(),
    "'; drop table accounts",
  ])
    await expect(client.take(nothing, { accountId: wrong })).rejects.toMatchObject({
      failure: 'unauthenticated',
    })
  await client.take(nothing, { accountId })
  expect(ran).toBe(1)
})

test('an operator call needs no account, but a malformed one is refused there too', async () => {
  const { client } = await takeClient(async () => answer)
  await client.take(nothing, {})
  await expect(client.take(nothing, { accountId: 'acme' })).rejects.toMatchObject({
    failure: 'unauthenticated',
  })
  expect(accountOf(new Metadata())).toBe('')
})
