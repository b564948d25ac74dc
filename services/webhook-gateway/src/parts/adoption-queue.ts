import { setTimeout as delay } from 'node:timers/promises'
import type { App, Keys } from '../apps/app.ts'
import { type AdoptNeeds, adoptParts } from './adopt.ts'

/**
 * Adopts in the background what this process stored for numbers before it knew that their app has
 * them.
 */
export interface AdoptionQueue extends AsyncDisposable {
  add(app: Pick<App, 'id' | 'accountId'>, keys: Keys): void
}

/** As many numbers and WABAs as one call to accounts may name. */
const maxKeys = 500

/** What is to be adopted for an app. */
interface QueuedAdoption {
  accountId: string
  phoneNumberIds: Set<string>
  wabaIds: Set<string>
}

/** Adopts for one app after the other; one that fails is tried again. */
export function openAdoptionQueue(
  ctx: AdoptNeeds & { times: { adoptRetryMs: number } },
): AdoptionQueue {
  const queue = new Map<string, QueuedAdoption>()
  const stop = new AbortController()
  const { signal } = stop
  let running: Promise<void> | undefined

  function enqueue(
    appId: string,
    accountId: string,
    keys: { phoneNumberIds: Iterable<string>; wabaIds: Iterable<string> },
  ): void {
    const adoption = queue.get(appId) ?? {
      accountId,
      phoneNumberIds: new Set(),
      wabaIds: new Set(),
    }
    for (const key of keys.phoneNumberIds) adoption.phoneNumberIds.add(key)
    for (const key of keys.wabaIds) adoption.wabaIds.add(key)
    queue.set(appId, adoption)
  }

  async function run(): Promise<void> {
    for (const [id, adoption] of queue) {
      if (signal.aborted) break
      queue.delete(id)
      try {
        for (const keys of chunks(adoption))
          await adoptParts(ctx, { id, accountId: adoption.accountId }, keys, { signal })
      } catch (err) {
        if (signal.aborted) break
        enqueue(id, adoption.accountId, adoption)
        ctx.log.warn({ err, appId: id }, 'webhook parts could not be adopted; it is tried again')
        await delay(ctx.times.adoptRetryMs, undefined, { signal }).catch(() => undefined)
      }
    }
    running = undefined
  }

  return {
    add({ id, accountId }, keys) {
      enqueue(id, accountId, keys)
      running ??= Promise.resolve().then(run)
    },
    async [Symbol.asyncDispose]() {
      stop.abort()
      await running
    },
  }
}

function* chunks({ phoneNumberIds, wabaIds }: QueuedAdoption): Iterable<Keys> {
  const numbers = [...phoneNumberIds]
  const wabas = [...wabaIds]
  for (let i = 0; i < Math.max(numbers.length, wabas.length); i += maxKeys)
    yield { phoneNumberIds: numbers.slice(i, i + maxKeys), wabaIds: wabas.slice(i, i + maxKeys) }
}
