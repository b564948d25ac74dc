import { lookup } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { buildConnector } from 'undici'
import { isLoopback, isPublicAddress } from './addresses.ts'

/** Refused before a byte is sent. */
class AddressRefused extends Error {
  override name = 'AddressRefused'
}

export interface AddressRules {
  /** Also this machine, over plain HTTP: for development. */
  allowLocal: boolean
}

const mayConnect = (address: string, { allowLocal }: AddressRules): boolean =>
  isPublicAddress(address) || (allowLocal && isLoopback(address))

/** An address in a URL stands for itself: no name is looked up for it. */
export function requireAddress(hostname: string, rules: AddressRules): void {
  const address = hostname.replace(/^\[|\]$/g, '')
  if (isIP(address) !== 0 && !mayConnect(address, rules))
    throw new AddressRefused(`${address} is no public address`)
}

/** Looks a name up, and refuses it when any of its addresses is not public. */
function publicLookup(rules: AddressRules): LookupFunction {
  return (hostname, options, done) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return done(error, [])
      const refused = addresses.find(({ address }) => !mayConnect(address, rules))
      if (refused)
        return done(
          new AddressRefused(`${hostname} leads to ${refused.address}, no public address`),
          [],
        )
      if (options.all) return done(null, addresses)
      const [first] = addresses
      done(null, first!.address, first!.family)
    })
  }
}

/** Connects to public addresses only, each checked when it is connected to. */
export function publicConnector(rules: AddressRules, timeoutMs: number): buildConnector.connector {
  const connect = buildConnector({ timeout: timeoutMs, lookup: publicLookup(rules) })
  return (options, done) => {
    try {
      requireAddress(options.hostname, rules)
    } catch (error) {
      return done(error as Error, null)
    }
    connect(options, done)
  }
}
