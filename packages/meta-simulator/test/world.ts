import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type SettingsPatch,
  type Simulator,
  type StateInput,
  startSimulator,
} from '../src/index.ts'

export const WABA = '200000000000001'
export const NUMBER = '300000000000001'
export const SECOND = '300000000000002'
export const TOKEN = 'token-of-the-first'
const SECRET = 'secret of the app'

// biome-ignore lint/suspicious/noExplicitAny: bodies are looked at as a foreign client would, without our types.
export type Any = any

interface Received {
  raw: Buffer
  body: Any
  headers: Record<string, string | string[] | undefined>
  signed: boolean
  atMs: number
}

/** A callback that keeps what it gets; `answer` decides the status of each request. */
export async function receiver(answer: (nth: number) => number = () => 200) {
  const got: Received[] = []
  const server = createServer(async (req, res) => {
    const raw = Buffer.concat(await Array.fromAsync(req as AsyncIterable<Buffer>))
    if (req.method === 'GET') {
      const query = new URL(req.url!, 'http://callback').searchParams
      const right =
        query.get('hub.mode') === 'subscribe' && query.get('hub.verify_token') === 'hello'
      return res.writeHead(right ? 200 : 403).end(query.get('hub.challenge'))
    }
    const mine = `sha256=${createHmac('sha256', SECRET).update(raw).digest('hex')}`
    const body = JSON.parse(raw.toString())
    got.push({
      raw,
      body,
      headers: req.headers,
      signed: req.headers['x-hub-signature-256'] === mine,
      atMs: Date.now(),
    })
    res.writeHead(answer(got.length)).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const values = () =>
    got.flatMap(({ body }) =>
      body.entry.flatMap((entry: Any) => entry.changes.map((change: Any) => change.value)),
    )
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/webhook`,
    got,
    values,
    statuses: () => values().flatMap((value: Any) => value.statuses ?? []) as Any[],
    messages: () => values().flatMap((value: Any) => value.messages ?? []) as Any[],
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
    },
  }
}

export const hello = {
  name: 'hello',
  language: 'en_US',
  category: 'UTILITY' as const,
  components: [{ type: 'BODY' as const, text: 'Hello {{1}}, order {{2}} is ready.' }],
}

export function state(callbackUrl: string | null = null): StateInput {
  return {
    apps: [{ id: '1', secret: SECRET, verifyToken: 'hello', callbackUrl }],
    wabas: [{ id: WABA, appIds: ['1'] }],
    numbers: [
      { id: NUMBER, wabaId: WABA, displayPhoneNumber: '+1 555-000-0001', token: TOKEN },
      {
        id: SECOND,
        wabaId: WABA,
        displayPhoneNumber: '+1 555-000-0002',
        token: 'token-of-the-second',
      },
    ],
    templates: { [WABA]: [hello] },
  }
}

/** Everything happens at once, and everybody reads. */
export const swift: SettingsPatch = {
  delaysMs: { sent: 1, failed: 1, delivered: 1, read: 1, reply: 1 },
  shares: { read: 1 },
  webhooks: { batchMs: 5 },
  retry: { baseMs: 5, maxMs: 40 },
}

/** A folder that goes with the test. */
export async function folder() {
  const path = await mkdtemp(join(tmpdir(), 'meta-simulator-'))
  return {
    path,
    logFile: join(path, 'truth.ndjson'),
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  }
}

/** A simulator with two numbers of one WABA, on a log of its own. */
export async function simulation(
  options: {
    callbackUrl?: string
    settings?: SettingsPatch
    state?: StateInput
    seed?: number
  } = {},
) {
  await using stack = new AsyncDisposableStack()
  const { logFile } = stack.use(await folder())
  const given = options.state ?? state(options.callbackUrl ?? null)
  const simulator = stack.use(
    await startSimulator({
      logFile,
      seed: options.seed ?? 7,
      state: given,
      settings: { ...swift, ...options.settings },
    }),
  )
  const owned = stack.move()
  return { ...simulator, simulator, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

export interface Answer {
  status: number
  headers: Headers
  text: string
  body: Any
}

/** One call of the Graph side, as a client makes it. */
export async function graph(
  { url }: Pick<Simulator, 'url'>,
  path: string,
  body?: unknown,
  token: string | null = TOKEN,
): Promise<Answer> {
  const response = await fetch(path.startsWith('http') ? path : `${url}/v24.0/${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      ...(token && { authorization: `Bearer ${token}` }),
      'content-type': 'application/json',
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    signal: AbortSignal.timeout(5_000),
  })
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: text.startsWith('{') ? parsed(text) : undefined,
  }
}

function parsed(text: string): Any {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const parameters = (...texts: string[]) => texts.map((text) => ({ type: 'text', text }))

/** A send of the template `hello`; other keys of the body may be given. */
export function template(
  to: string,
  more: Record<string, unknown> = {},
  node: Record<string, unknown> = {},
) {
  const components = [{ type: 'body', parameters: parameters('Ana', 'A-1') }]
  const named = { name: 'hello', language: { code: 'en_US' }, components, ...node }
  return { messaging_product: 'whatsapp', to, type: 'template', template: named, ...more }
}

export function text(to: string, body: string) {
  return { messaging_product: 'whatsapp', to, type: 'text', text: { body } }
}
