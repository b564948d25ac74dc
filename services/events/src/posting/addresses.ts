import { BlockList, isIP } from 'node:net'

/** Networks of IPv4 that are nobody's on the internet (IANA's special-purpose registry). */
const notPublic4 = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16'],
  ...['172.16.0.0/12', '192.0.0.0/24', '192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16'],
  ...['198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4'],
]
/** Of the public ones of IPv6 those that lead to others, or to examples. */
const notPublic6 = ['2001::/32', '2001:db8::/32', '2002::/16', '64:ff9b::/96']

function listOf(networks: readonly string[]): BlockList {
  const list = new BlockList()
  for (const network of networks) {
    const [address, bits] = network.split('/') as [string, string]
    list.addSubnet(address, Number(bits), address.includes(':') ? 'ipv6' : 'ipv4')
  }
  return list
}

const blocked4 = listOf(notPublic4)
const blocked6 = listOf(notPublic6)
const public6 = listOf(['2000::/3'])
const loopback = listOf(['127.0.0.0/8', '::1/128'])

/** Whether an address, as numbers, is one on the internet. */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address)
  if (family === 4) return !blocked4.check(address, 'ipv4')
  return family === 6 && public6.check(address, 'ipv6') && !blocked6.check(address, 'ipv6')
}

export function isLoopback(address: string): boolean {
  const family = isIP(address)
  return family !== 0 && loopback.check(address, family === 4 ? 'ipv4' : 'ipv6')
}
