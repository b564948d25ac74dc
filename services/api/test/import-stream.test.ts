import { until } from '@lockstep/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Api, openApi, openStack, type Stack, untilBlocked, whileLocked } from './fixtures.ts'

const up = new AsyncDisposableStack()
let stack: Stack
let api: Api
let key: string

beforeAll(async () => {
  stack = up.use(await openStack())
  api = up.use(await openApi(stack.config))
  key = (await stack.account()).key
})
afterAll(() => up.disposeAsync())

const megabytes = 1_000_000

/** A CSV that is made while it is read, and how much of it was read. */
function csv(totalBytes: number) {
  const lines = Buffer.from(`Ana,+49 1512 0000001,spring,${'x'.repeat(470)}\n`.repeat(100))
  const read = { bytes: 0 }
  const stream = new ReadableStream({
    pull(controller) {
      if (read.bytes >= totalBytes) return controller.close()
      const piece = read.bytes === 0 ? Buffer.from('name,phone,tags,note\n') : lines
      read.bytes += piece.length
      controller.enqueue(piece)
    },
  })
  return { stream, read }
}

const upload = (body: ReadableStream, headers = {}) =>
  api.ask(key, 'POST', '/v1/contact-imports?file_name=people.csv', body, {
    'content-type': 'text/csv',
    ...headers,
  })

test('a 20 MB file is taken from its sender only as fast as it is kept, and kept whole', async () => {
  const { stream, read } = csv(20 * megabytes)
  const uploading = await whileLocked(stack.world, 'contacts.import_chunks', async () => {
    const running = upload(stream)
    await untilBlocked(stack.world, 'contacts.import_chunks')
    // What buffers on the way hold is read until nothing moves any more.
    let [before, since] = [0, performance.now()]
    await until(() => {
      if (read.bytes !== before) [before, since] = [read.bytes, performance.now()]
      return performance.now() - since > 500
    })
    expect(read.bytes).toBeLessThan(8 * megabytes)
    return [running]
  })
  const begun = (await uploading[0])!
  expect(begun).toMatchObject({
    status: 202,
    json: { file_name: 'people.csv', total_bytes: read.bytes },
  })
  expect(read.bytes).toBeGreaterThan(20 * megabytes)
  const done = await until(async () => {
    const { json } = await api.ask(key, 'GET', `/v1/contact-imports/${begun.json.id}`)
    return json.finished_at ? json : undefined
  }, 25_000)
  expect(done).toMatchObject({ state: 'done', created: 1, done_bytes: read.bytes })
})

test('an upload whose sender gives up leaves nothing, and its key is free', async () => {
  const { promise: gaveUp, reject: giveUp } = Promise.withResolvers<never>()
  let pieces = 0
  const broken = new ReadableStream({
    pull: (controller) => (pieces++ < 20 ? controller.enqueue(Buffer.alloc(100_000, 'a')) : gaveUp),
  })
  const uploading = upload(broken, { 'idempotency-key': 'broken' })
  const rows = (table: string) => stack.world.sql(`select 1 from ${table}`)
  await until(async () => (await rows('contacts.import_chunks')).length > 0)
  giveUp(new Error('given up'))
  await expect(uploading).rejects.toThrow()
  await until(async () => (await rows('contacts.import_chunks')).length === 0)
  await until(async () => (await rows("api.idempotency_keys where key = 'broken'")).length === 0)
})

test('an upload that fails midway is answered, though its sender is still sending', async () => {
  await stack.world.sql('revoke insert on contacts.import_chunks from contacts')
  const { stream } = csv(20 * megabytes)
  const answer = await upload(stream)
  await stack.world.sql('grant insert on contacts.import_chunks to contacts')
  expect(answer).toMatchObject({ status: 500, json: { code: 'internal' } })
})
