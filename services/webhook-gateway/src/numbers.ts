import { events } from '@lockstep/contracts'
import type { Peers } from '@lockstep/rpc'
import type { BaseContext } from '@lockstep/service'

/** A number that is connected now. */
export interface LiveNumber {
  phoneNumberId: string
  appId: string
  /** As a person knows it. */
  number: string
}

/** The connected numbers of accounts, as `accounts` lists them. */
export interface Numbers extends Disposable {
  of(accountId: string): Promise<LiveNumber[]>
}

interface Needs extends Pick<BaseContext, 'messaging' | 'scale'> {
  peers: Peers<'accounts'>
}

/** A list is used for so long, and until any connection changes. */
const keptMs = 10_000
const maxKept = 1_000
const pageLength = 200

/** Keeps lists for a moment: campaigns ask every few seconds, and an account may have thousands of numbers. */
export function openNumbers({ peers, messaging, scale }: Needs): Numbers {
  const kept = new Map<string, { list: Promise<LiveNumber[]>; until: number }>()
  const heard = messaging.subscribeEvent(events.appsChanged, () => kept.clear())

  async function read(accountId: string): Promise<LiveNumber[]> {
    const live: LiveNumber[] = []
    for (let after = ''; ; ) {
      const { connections } = await peers.accounts.listConnections(
        { after, limit: pageLength },
        { accountId },
      )
      for (const { phoneNumberId, appId, displayPhoneNumber, disconnectedAtMs } of connections)
        if (disconnectedAtMs === undefined)
          live.push({ phoneNumberId, appId, number: displayPhoneNumber || phoneNumberId })
      if (connections.length < pageLength) return live
      after = connections.at(-1)!.id
    }
  }

  return {
    of(accountId) {
      const known = kept.get(accountId)
      if (known && known.until > performance.now()) return known.list
      kept.delete(accountId)
      if (kept.size >= maxKept) kept.delete(kept.keys().next().value!)
      const entry = { list: read(accountId), until: performance.now() + keptMs * scale }
      kept.set(accountId, entry)
      entry.list.catch(() => kept.get(accountId) === entry && kept.delete(accountId))
      return entry.list
    },
    [Symbol.dispose]: () => heard[Symbol.dispose](),
  }
}
