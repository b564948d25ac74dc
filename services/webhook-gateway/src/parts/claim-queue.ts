import { setTimeout as delay } from 'node:timers/promises'
import type { App, Keys } from '../apps/app.ts'
import { type ClaimNeeds, claimParts } from './claim.ts'

/**
 * Claims in the background what this process stored for numbers before it knew that their app has
 * them.
 */
export interface ClaimQueue extends AsyncDisposable {
  add(app: Pick<App, 'id' | 'accountId'>, keys: Keys): void
}

/** As many numbers and WABAs as one call to accounts may name. */
const maxKeys = 500

/** What is to be claimed for an app. */
interface QueuedClaim {
  accountId: string
  phoneNumberIds: Set<string>
  wabaIds: Set<string>
}

/** Claims for one app after the other; one that fails is tried again. */
export function openClaimQueue(ctx: ClaimNeeds & { times: { claimRetryMs: number } }): ClaimQueue {
  const queue = new Map<string, QueuedClaim>()
  const stop = new AbortController()
  const { signal } = stop
  let running: Promise<void> | undefined

  function enqueue(
    appId: string,
    accountId: string,
    keys: { phoneNumberIds: Iterable<string>; wabaIds: Iterable<string> },
  ): void {
    const claim = queue.get(appId) ?? {
      accountId,
      phoneNumberIds: new Set(),
      wabaIds: new Set(),
    }
    for (const key of keys.phoneNumberIds) claim.phoneNumberIds.add(key)
    for (const key of keys.wabaIds) claim.wabaIds.add(key)
    queue.set(appId, claim)
  }

  async function run(): Promise<void> {
    for (const [id, claim] of queue) {
      if (signal.aborted) break
      queue.delete(id)
      try {
        for (const keys of chunks(claim))
          await claimParts(ctx, { id, accountId: claim.accountId }, keys, { signal })
      } catch (err) {
        if (signal.aborted) break
        enqueue(id, claim.accountId, claim)
        ctx.log.warn({ err, appId: id }, 'webhook parts could not be claimed; it is tried again')
        await delay(ctx.times.claimRetryMs, undefined, { signal }).catch(() => undefined)
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

function* chunks({ phoneNumberIds, wabaIds }: QueuedClaim): Iterable<Keys> {
  const numbers = [...phoneNumberIds]
  const wabas = [...wabaIds]
  for (let i = 0; i < Math.max(numbers.length, wabas.length); i += maxKeys)
    yield { phoneNumberIds: numbers.slice(i, i + maxKeys), wabaIds: wabas.slice(i, i + maxKeys) }
}
