import { setTimeout as delay } from 'node:timers/promises'
import type { Command } from '@commander-js/extra-typings'
import { type Client, createClient } from '@lockstep/client'
import { chooseContext } from './contexts.ts'
import { createOutput, type Output } from './output.ts'

/** What all commands take. */
type GlobalOptions = {
  json?: true
  context?: string
}

export type Program = Command<[], GlobalOptions>

/** What a command works with. */
export interface Session {
  api: Client
  out: Output
}

export type OpenSession = () => Session

/** By the options and the environment, when a command runs. */
export function openSession(program: Program): Session {
  const { json = false, context } = program.opts()
  const { url, api_key } = chooseContext(process.env, context)
  return { api: createClient({ url, apiKey: api_key }), out: createOutput(json) }
}

/** Reads again and again until it is over; `show` gets each reading. */
export async function watch<T>(
  read: () => Promise<T>,
  isOver: (value: T) => boolean,
  show: (value: T) => void,
  everyMs = 500,
): Promise<T> {
  for (;;) {
    const value = await read()
    show(value)
    if (isOver(value)) return value
    await delay(everyMs)
  }
}

/** Rows that are all there, as a list that comes. */
export async function* each<T>(rows: readonly T[]): AsyncIterable<T> {
  yield* rows
}

/** The first entries, or all when no number is named. */
export async function* atMost<T>(entries: AsyncIterable<T>, limit: number | undefined) {
  let left = limit ?? Number.POSITIVE_INFINITY
  if (left > 0)
    for await (const entry of entries) {
      yield entry
      if (--left <= 0) return
    }
}
