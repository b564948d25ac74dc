import { events } from '@lockstep/contracts'
import type { Peers } from '@lockstep/rpc'
import type { BaseContext } from '@lockstep/service'

/** A number that is connected now. */
export interface ConnectedNumber {
  phoneNumberId: string
  appId: string
  /** As a person knows it. */
  displayNumber: string
}

/**
 * The connected numbers of accounts: campaigns ask every few seconds, and an account may have
 * thousands.
 */
export interface NumberCache extends Disposable {
  ofAccount(accountId: string): Promise<ConnectedNumber[]>
}

interface Needs extends Pick<BaseContext, 'messaging'> {
  peers: Peers<'accounts'>
  times: { numbersMs: number }
}

const maxAccounts = 1_000
const pageLength = 200

export function openNumberCache({ peers, messaging, times }: Needs): NumberCache {
  const lists = new Map<string, { numbers: Promise<ConnectedNumber[]>; until: number }>()
  const subscription = messaging.subscribeEvent(events.appsChanged, () => lists.clear())

  async function read(accountId: string): Promise<ConnectedNumber[]> {
    const connected: ConnectedNumber[] = []
    for (let after = ''; ; ) {
      const page = { after, limit: pageLength }
      const { connections } = await peers.accounts.listConnections(page, { accountId })
      for (const { phoneNumberId, appId, displayPhoneNumber, disconnectedAtMs } of connections)
        if (disconnectedAtMs === undefined)
          connected.push({
            phoneNumberId,
            appId,
            displayNumber: displayPhoneNumber || phoneNumberId,
          })
      if (connections.length < pageLength) return connected
      after = connections.at(-1)!.id
    }
  }

  return {
    ofAccount(accountId) {
      const known = lists.get(accountId)
      if (known && known.until > performance.now()) return known.numbers
      lists.delete(accountId)
      if (lists.size >= maxAccounts) lists.delete(lists.keys().next().value!)
      const list = { numbers: read(accountId), until: performance.now() + times.numbersMs }
      lists.set(accountId, list)
      list.numbers.catch(() => lists.get(accountId) === list && lists.delete(accountId))
      return list.numbers
    },
    [Symbol.dispose]: () => subscription[Symbol.dispose](),
  }
}
