import { randomUUID } from 'node:crypto'
import { type Operations, operations } from '../gen/operations.ts'
import { type PreparedRequest, send } from './request.ts'
import { download, type FollowedEvent, follow } from './streams.ts'
import { bodyOf, type Upload } from './upload.ts'

export interface ClientOptions {
  /** Where the API is, such as `https://api.example.com`. */
  url: string
  /** `lk_…` */
  apiKey: string
  /** Bound on each try of a request, in ms; 60,000 by default, 600,000 for uploads. */
  timeoutMs?: number
}

export interface CallOptions {
  /**
   * However often a writing request is sent with it, it takes effect at most once; a new one for
   * each call by default. Name it where the whole program may run again.
   */
  idempotencyKey?: string
  signal?: AbortSignal
}

type Name = keyof Operations
type Table = typeof operations

/** Requests whose answer is a page. */
type ListName = {
  [N in Name]: Table[N] extends { list: string } ? N : never
}[Name]

type Entry<N extends ListName> = Operations[N]['output'] extends infer Output
  ? Table[N] extends { list: infer List extends keyof Output }
    ? Output[List] extends readonly (infer One)[]
      ? One
      : never
    : never
  : never

type Call<Input, Output> =
  Record<never, never> extends Input
    ? (input?: Input, options?: CallOptions) => Output
    : (input: Input, options?: CallOptions) => Output

/** Each request of the API by its name; rejects with `ApiError` or `ApiUnreachable`. */
export type Client = Streams & {
  readonly [N in Name]: Call<Operations[N]['input'], Promise<Operations[N]['output']>>
} & {
  /** Each entry of a list, page after page. */
  readonly each: {
    readonly [N in ListName]: Call<
      Omit<Operations[N]['input'], 'cursor'>,
      AsyncGenerator<Entry<N>, void, undefined>
    >
  }
}

/** Requests whose answer may come as a file. */
type FileName = 'listAuditLog'
type FileType = 'text/csv' | 'application/x-ndjson'

/** What comes in pieces. */
interface Streams {
  /**
   * Events as they come, from the one after `cursor` on, else from now. A connection that is lost is
   * opened again, and goes on after the last event that was yielded.
   */
  follow(
    input?: { topics?: string; cursor?: string },
    options?: Pick<CallOptions, 'signal'>,
  ): AsyncGenerator<FollowedEvent>
  /** All that a list has as a file, in pieces; throws when it does not come whole. */
  download(
    name: FileName,
    input: Omit<Operations[FileName]['input'], 'limit'>,
    options: Pick<CallOptions, 'signal'> & { type: FileType },
  ): AsyncGenerator<Uint8Array>
}

/** How a request is made. */
interface Operation {
  method: string
  path: string
  type?: string
  list?: string
}
type Input = Readonly<Record<string, unknown>>
type AnyCall = (input?: Input, options?: CallOptions) => unknown

/** A client of Lockstep's public API. */
export function createClient(options: ClientOptions): Client {
  const calls: Record<string, AnyCall> = {}
  const each: Record<string, AnyCall> = {}
  for (const [name, operation] of Object.entries<Operation>(operations)) {
    const call = (input: Input = {}, callOptions: CallOptions = {}) =>
      send(prepare(options, operation, input, callOptions))
    calls[name] = call
    if (operation.list) each[name] = entriesOf(call, operation.list)
  }
  return { ...calls, each, ...streamsOf(options) } as unknown as Client
}

function streamsOf(options: ClientOptions): Streams {
  const prepared = (
    name: Name,
    input: object,
    headers: object,
    signal: AbortSignal | undefined,
  ) => {
    const request = prepare(options, operations[name], { ...input }, signal ? { signal } : {})
    return { ...request, headers: { ...request.headers, ...headers } }
  }
  return {
    follow: (input = {}, { signal } = {}) =>
      follow((headers, inner) => prepared('listEvents', input, headers, inner), signal),
    download: (name, input, { type, signal }) =>
      download(prepared(name, input, { accept: type }, signal)),
  }
}

/** Asks for one page after the other, each when the one before is used up. */
function entriesOf(call: AnyCall, list: string): AnyCall {
  return async function* (input, options) {
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const page = (await call({ ...input, cursor }, options)) as Record<string, unknown>
      yield* page[list] as unknown[]
      cursor = page.next_cursor as string | null
    }
  }
}

function prepare(
  { url, apiKey, timeoutMs }: ClientOptions,
  { method, path, type }: Operation,
  { body, ...fields }: Input,
  { idempotencyKey, signal }: CallOptions,
): PreparedRequest {
  const isJson = type === 'application/json'
  const isRead = method === 'GET'
  return {
    method,
    url: url.replace(/\/+$/, '') + target(path, fields),
    headers: {
      authorization: `Bearer ${apiKey}`,
      ...(body !== undefined && { 'content-type': type! }),
      ...(!isRead && { 'idempotency-key': idempotencyKey ?? randomUUID() }),
    },
    ...(body !== undefined && {
      body: () => (isJson ? JSON.stringify(body) : bodyOf(body as Upload)),
    }),
    timeoutMs: timeoutMs ?? (isJson || type === undefined ? 60_000 : 600_000),
    signal,
  }
}

/** Dots alone would lead to another path. */
function segment(name: string, value: string): string {
  if (/^\.{0,2}$/.test(value)) throw new TypeError(`"${value}" can't be the ${name} of a path`)
  return encodeURIComponent(value)
}

/** Fields that the path does not name are the query. */
function target(path: string, fields: Input): string {
  const query = new URLSearchParams()
  let filled = path
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue
    if (filled.includes(`{${name}}`))
      filled = filled.replace(`{${name}}`, () => segment(name, String(value)))
    else query.set(name, String(value))
  }
  return query.size === 0 ? filled : `${filled}?${query}`
}
