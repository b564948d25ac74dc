import type { ServerResponse } from 'node:http'
import type { Failure } from '@lockstep/contracts'
import type { Call } from '@lockstep/rpc'
import type { z } from 'zod'
import type { Access } from './access.ts'
import type { Caller, Person } from './authenticator.ts'
import type { Context } from './context.ts'
import type { AfterLostResponse } from './idempotency.ts'
import { nothing } from './input.ts'
import type { Origin } from './origin.ts'
import { encode, type SourceOf } from './response.ts'
import type { SessionCookie } from './session-cookie.ts'

/** Who can have come so far: nobody is known where anyone may ask. */
type CallerFor<May extends Access> = May extends 'anyone'
  ? null
  : May extends 'person'
    ? Person
    : Caller

/** What a request asks for. */
interface Input<Params, Query, Body, May extends Access = Access> {
  params: Params
  query: Query
  body: Body
  /** When it was first sent: a repetition with the same Idempotency-Key has the same time. */
  askedAt: Date
  /** For what it makes: a repetition with the same Idempotency-Key has the same id. */
  newId: string
  caller: CallerFor<May>
  cookie: SessionCookie
  /** Of a sign-in at a provider that waits for a code. */
  stepCookie: SessionCookie
  /** Where the request came from, as its sessions show it. */
  origin: Origin
}

interface Common<
  Params extends z.ZodType,
  Query extends z.ZodType,
  Body extends z.ZodType,
  Response extends z.ZodType,
  May extends Access,
> {
  path: `/v1/${string}`
  /** What it does, in one or two plain sentences. */
  summary: string
  /** What a caller must be allowed to do, or who else may ask. */
  right: May
  params?: Params
  query?: Query
  body?: Body
  /** HTTP status of success; 200 when absent. */
  status?: 200 | 201 | 202
  response: Response
  /**
   * How it can fail, beside `invalid`, `unauthenticated`, `forbidden`, `throttled`, `busy`,
   * `timeout`, `internal`.
   */
  errors?: readonly Failure[]
  run(
    ctx: Context,
    input: Input<z.output<Params>, z.output<Query>, z.output<Body>, May>,
    call: Call,
  ): Promise<SourceOf<Response>>
}

interface Reads {
  method: 'GET'
  audit?: undefined
  afterLostResponse?: undefined
  shownOnce?: undefined
  isPersonal?: undefined
  /** Who accepts `text/event-stream` is answered by this instead. */
  stream?(ctx: Context, asked: AskedStream): Promise<AsyncIterable<string>>
  /** By media type: who accepts one is answered by all that is asked for, as a file. */
  downloads?: Readonly<Record<string, Download>>
}

type Download = (ctx: Context, asked: AskedStream) => Promise<AsyncIterable<string>>

/** What a request for a stream asks for. */
export interface AskedStream {
  query: unknown
  caller: Caller
  /** The header Last-Event-ID. */
  lastEventId: string | undefined
  response: ServerResponse
  /** Who asks now; throws when that is nobody any more. */
  authenticate(): Promise<Caller>
}

/** A writing route makes one call, so that nothing was done if that never left. */
interface Writes {
  method: 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  stream?: undefined
  downloads?: undefined
  /** Who records it: `accounts` with the change, or the API for every other service. */
  audit: 'accounts' | 'api'
  /** `dated` by `askedAt`; made under the `same id`, `newId`. */
  afterLostResponse: AfterLostResponse
  /** Fields of the response that are told this once: a repetition finds null there. */
  shownOnce?: readonly string[]
  /** Its body is about a person: the audit log keeps the names of its fields only. */
  isPersonal?: true
}

/** Any route, as the server sees it. */
export type Route = (Reads | Writes) & {
  path: string
  summary: string
  right: Access
  params: z.ZodType
  query: z.ZodType
  body: z.ZodType
  status: number
  response: z.ZodType
  errors: readonly Failure[]
  /** Answers the JSON of the response. */
  run(ctx: Context, input: Input<unknown, unknown, unknown>, call: Call): Promise<unknown>
}

/** A route with the name of its declaration. */
export type NamedRoute = Route & { name: string }

/** Declares a route; `run` is typed by its schemas, and without a schema no field is accepted. */
export function route<
  Response extends z.ZodType,
  Params extends z.ZodType = typeof nothing,
  Query extends z.ZodType = typeof nothing,
  Body extends z.ZodType = typeof nothing,
  const May extends Access = Access,
>(declared: Common<Params, Query, Body, Response, May> & (Reads | Writes)): Route {
  const defaults = { params: nothing, query: nothing, body: nothing, status: 200, errors: [] }
  const run: Route['run'] = async (ctx, input, call) =>
    encode(declared.response, await declared.run(ctx, input as never, call))
  return { ...defaults, ...declared, run } as Route
}

/** After a lost response, of what must not be done twice. */
export const lookFirst = (path: `/v1/${string}`): string =>
  `Look at GET ${path} before you try again with a new key.`

/** After a lost response, of a choice that may be repeated. */
export const chooseAgain = (path: `/v1/${string}`): string =>
  `Look at GET ${path}; choosing the same again does no harm.`
