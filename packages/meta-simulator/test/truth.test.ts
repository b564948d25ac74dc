import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'
import { createSimulatorClient, type LogLine, readLog, startSimulator } from '../src/index.ts'
import {
  folder,
  graph,
  NUMBER,
  receiver,
  simulation,
  state,
  swift,
  template,
  text,
} from './world.ts'

const main = join(import.meta.dirname, '../src/main.ts')

/** The simulator as its own process. */
async function launch(logFile: string) {
  const args = [main, '--port', '0', '--log', logFile, '--seed', '7', '--json']
  const child: ChildProcess = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(createInterface(child.stdout!), 'line')) as [string]
  const { url } = JSON.parse(line) as { url: string }
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
    const exited = once(child, 'exit')
    child.kill(signal)
    return ((await exited) as [number | null])[0]
  }
  return { url, end, [Symbol.asyncDispose]: async () => void (await end('SIGKILL')) }
}

test('what was answered is in the log after kill -9, and a restart goes on from there', async () => {
  await using dir = await folder()
  await using callback = await receiver()
  const answered: string[] = []
  const people = Array.from({ length: 60 }, (_, nth) => `1650555${1000 + (nth % 20)}`)
  {
    await using first = await launch(dir.logFile)
    await using client = createSimulatorClient(first.url)
    await client.setState(state(callback.url))
    await client.setSettings({ ...swift, webhooks: { paused: true } })
    const sends = people.map(async (to) => {
      const { body } = await graph(
        first,
        `${NUMBER}/messages`,
        template(to, { biz_opaque_callback_data: `run:${to}` }),
      )
      answered.push(body.messages[0].id)
      if (answered.length === 30) await first.end('SIGKILL')
    })
    await Promise.allSettled(sends)
    expect(answered.length).toBeGreaterThanOrEqual(30)
  }
  await appendFile(dir.logFile, '{"seq":99999,"kind":"post","outco')
  await using second = await launch(dir.logFile)
  await using client = createSimulatorClient(second.url)
  const before = await client.accepted({ callbackPrefix: 'run:' })
  expect(before.map((post) => post.wamid)).toEqual(expect.arrayContaining(answered))

  const repeat = await graph(second, `${NUMBER}/messages`, template(people[0]!))
  expect(before.map((post) => post.wamid)).not.toContain(repeat.body.messages[0].id)
  await client.setSettings({ webhooks: { paused: false } })
  expect((await client.drain()).drained).toBe(true)
  const all = new Set([...before.map((post) => post.wamid), repeat.body.messages[0].id])
  const read = callback.statuses().filter((each) => each.status === 'read')
  expect(new Set(read.map((each) => each.id))).toEqual(all)
  const lines: LogLine[] = await Array.fromAsync(readLog(dir.logFile))
  expect(lines.map((line) => line.seq)).toEqual(lines.map((_, index) => index + 1))
})

test('a log has one simulator: another is refused while it lives, and not after it was killed', async () => {
  await using dir = await folder()
  await using first = await launch(dir.logFile)
  await expect(startSimulator({ logFile: dir.logFile })).rejects.toThrow(
    /truth.ndjson is written by process \d+. Stop that simulator first/,
  )
  await first.end('SIGKILL')
  await using second = await startSimulator({ logFile: dir.logFile })
  await expect(startSimulator({ logFile: dir.logFile })).rejects.toThrow(
    `is written by process ${process.pid}`,
  )
  expect((await second.client.summary()).accepted).toBe(0)
})

test('a stop by SIGTERM waits for nothing that is under way, and exits well', async () => {
  await using dir = await folder()
  await using child = await launch(dir.logFile)
  await using client = createSimulatorClient(child.url)
  // The answer, the webhook and the drain would each take ten minutes.
  const long = 600_000
  await using silent = createServer(() => {}).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  await client.setState(state(`http://127.0.0.1:${(silent.address() as AddressInfo).port}`))
  const webhooks = { ...swift.webhooks, timeoutMs: long }
  await client.setSettings({ ...swift, webhooks, faults: { next: [{ kind: 'hang', count: 1 }] } })
  const send = (to: string) =>
    graph(child, `${NUMBER}/messages`, text(to, 'hi')).catch(() => 'cut off')
  const hanging = send('16505551234')
  await expect.poll(async () => (await client.summary()).faults).toEqual({ hang: 1 })
  await client.setSettings({ latencyMs: long })
  const late = send('16505551235')
  const draining = client.drain({ deadlineMs: long }).catch(() => 'cut off')
  await expect.poll(async () => (await client.summary()).accepted).toBe(2)
  await expect.poll(async () => (await client.summary()).pending.deliveries).toBeGreaterThan(0)
  expect(await child.end('SIGTERM')).toBe(0)
  silent.closeAllConnections()
  expect(await Promise.all([hanging, late, draining])).toEqual(['cut off', 'cut off', 'cut off'])
})

test('a restart sends again only what nobody answered 200', async () => {
  await using dir = await folder()
  await using callback = await receiver()
  {
    await using first = await startSimulator({
      logFile: dir.logFile,
      fsync: true,
      seed: 11,
      state: state(callback.url),
      settings: swift,
    })
    await graph(first, `${NUMBER}/messages`, template('16505550001'))
    await first.client.drain()
    await first.client.setSettings({ webhooks: { paused: true } })
    await graph(first, `${NUMBER}/messages`, template('16505550002'))
    await first.client.inbound({ phoneNumberId: NUMBER, from: '16505550003', text: 'kept' })
  }
  expect(callback.statuses()).toHaveLength(3)
  await using second = await startSimulator({
    logFile: dir.logFile,
    settings: { webhooks: { paused: false } },
  })
  expect((await second.client.settings()).seed).toBe(11)
  expect((await second.client.drain()).drained).toBe(true)
  expect(callback.statuses().map((each) => each.recipient_id)).toEqual([
    ...Array(3).fill('16505550001'),
    ...Array(3).fill('16505550002'),
  ])
  expect(callback.messages().map((each) => each.text.body)).toEqual(['kept'])
})

test('a message whose answer was spoilt is in the log as accepted, a lost one is not', async () => {
  await using callback = await receiver()
  await using sim = await simulation({ callbackUrl: callback.url })
  const outcomes: Record<string, unknown> = {}
  for (const kind of ['reset', 'bad-gateway', 'unknown-error', 'unreadable', 'lost'] as const) {
    await sim.client.setSettings({ faults: { next: [{ kind, count: 1 }] } })
    const answer = await graph(sim, `${NUMBER}/messages`, text('16505551234', kind)).catch(
      () => undefined,
    )
    outcomes[kind] = answer && [answer.status, answer.body?.error?.code]
  }
  expect(outcomes).toEqual({
    reset: undefined,
    'bad-gateway': [502, undefined],
    'unknown-error': [500, 131000],
    unreadable: [200, undefined],
    lost: undefined,
  })
  const accepted = await sim.client.accepted()
  expect(accepted.map((post) => post.answer)).toEqual([
    'reset',
    'bad-gateway',
    'unknown-error',
    'unreadable',
  ])
  await sim.client.drain()
  const told = new Set(callback.statuses().map((each) => each.id))
  expect(told).toEqual(new Set(accepted.map((post) => post.wamid)))
})

test('a hanging answer keeps the socket open though the message is accepted', async () => {
  await using sim = await simulation({
    settings: { faults: { next: [{ kind: 'hang', count: 1 }] } },
  })
  const aborted = new AbortController()
  const call = fetch(`${sim.url}/v24.0/${NUMBER}/messages`, {
    method: 'POST',
    headers: { authorization: 'Bearer token-of-the-first' },
    body: JSON.stringify(text('16505551234', 'hi')),
    signal: aborted.signal,
  }).then(
    () => 'answered',
    (error: Error) => error.name,
  )
  await expect
    .poll(async () => (await sim.client.accepted()).map((post) => post.answer))
    .toEqual(['hang'])
  expect(await Promise.race([call, sim.client.health().then(() => 'still open')])).toBe(
    'still open',
  )
  aborted.abort()
  expect(await call).toBe('AbortError')
})

test('the log can be read from any place, by kind, number and callback prefix', async () => {
  await using sim = await simulation()
  for (const to of ['16505550001', '16505550002']) {
    await graph(sim, `${NUMBER}/messages`, template(to, { biz_opaque_callback_data: `${to}:x` }))
  }
  const [first] = await sim.client.accepted()
  expect((await sim.client.accepted({ since: first!.seq })).map((post) => post.recipient)).toEqual([
    '16505550002',
  ])
  expect(
    (await sim.client.accepted({ callbackPrefix: '16505550001' })).map((post) => post.seq),
  ).toEqual([first!.seq])
  expect(await Array.fromAsync(sim.client.log({ phoneNumberId: 'another' }))).toEqual([])
  expect(await Array.fromAsync(sim.client.log({ kind: 'post', limit: 1 }))).toHaveLength(1)
})

test('a damaged line in the middle of a log is named', async () => {
  await using sim = await simulation()
  await graph(sim, `${NUMBER}/messages`, template('16505550001'))
  const lines = (await readFile(sim.logFile, 'utf8')).split('\n')
  await writeFile(
    sim.logFile,
    [lines[0], '{"seq":2,"kind":"gossip"}', ...lines.slice(2)].join('\n'),
  )
  await expect(Array.fromAsync(readLog(sim.logFile))).rejects.toThrow(/line 2 is not a log line/)
})

test('a reset drops what is under way and counts anew, without giving out a wamid twice', async () => {
  await using callback = await receiver()
  await using sim = await simulation({
    callbackUrl: callback.url,
    settings: { webhooks: { paused: true } },
  })
  const before = await graph(sim, `${NUMBER}/messages`, template('16505550001'))
  expect(await sim.client.reset()).toMatchObject({ accepted: 0, pending: { total: 0 } })
  const after = await graph(sim, `${NUMBER}/messages`, template('16505550001'))
  expect(after.body.messages[0].id).not.toBe(before.body.messages[0].id)
  expect(await sim.client.summary()).toMatchObject({ accepted: 1 })
})

test('an answer can be later than the acceptance', async () => {
  await using sim = await simulation({ settings: { latencyMs: 30_000 } })
  const call = graph(sim, `${NUMBER}/messages`, text('16505551234', 'hi')).then(
    () => 'answered',
    () => 'timed out',
  )
  await expect
    .poll(async () => (await sim.client.accepted()).map((post) => post.recipient))
    .toEqual(['16505551234'])
  expect(await Promise.race([call, sim.client.health().then(() => 'waiting')])).toBe('waiting')
})
