import type { Call } from '@lockstep/rpc'
import type { z } from 'zod'
import type { Context } from './context.ts'
import { nothing } from './input.ts'

interface Common<Query extends z.ZodType, Body extends z.ZodType> {
  path: `/v1/${string}`
  /** What it does, in plain words; shown by GET /v1. */
  does: string
  /** HTTP status of success; 200 when absent. */
  status?: 200 | 201 | 202
  query?: Query
  body?: Body
  /** Carries the request out; what it returns is the JSON of the answer. */
  run(ctx: Context, input: Input<z.infer<Query>, z.infer<Body>>, call: Call): Promise<object>
}

/** What a request asks for, and when it was first sent: by that time a repetition is known as one and the same. */
interface Input<Query, Body> {
  id: string
  query: Query
  body: Body
  askedAt: Date
}

type Reads = { method: 'GET'; ifUnknown?: undefined }
/**
 * A writing route makes one call, so that nothing was done if that never left. It says where its effect can be seen, for requests whose
 * answer is lost. Null only where the effect is dated by `askedAt`: a repetition changes nothing that came since, so it runs.
 */
type Writes = { method: 'POST' | 'PUT'; ifUnknown: string | null }

/** One request of the public API; `id` is the one in its path, if any. */
export type RouteOf<Query extends z.ZodType, Body extends z.ZodType> = Common<Query, Body> &
  (Reads | Writes)

/** Any route, as the server sees it: its schemas have been tied to its `run` by `route`. */
export type Route = (Reads | Writes) & {
  path: string
  does: string
  status: number
  query: z.ZodType
  body: z.ZodType
  run(ctx: Context, input: Input<unknown, unknown>, call: Call): Promise<object>
}

/** Declares a route; its `run` is typed by its schemas, and without a schema no field is accepted. */
export function route<
  Query extends z.ZodType = typeof nothing,
  Body extends z.ZodType = typeof nothing,
>(declared: RouteOf<Query, Body>): Route {
  return { query: nothing, body: nothing, status: 200, ...declared } as Route
}
