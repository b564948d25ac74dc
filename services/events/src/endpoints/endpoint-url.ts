import { AppError } from '@lockstep/contracts'
import { type AddressRules, requireAddress } from '../posting/connector.ts'

const maxLength = 2_000
const firstFreePort = 1_024

/**
 * The URL of an endpoint as it is kept. Throws `invalid`: it must be https on port 443 or from 1024
 * on, without credentials and fragment, and no address that is not public.
 */
export function requireUrl(text: string, rules: AddressRules): string {
  const url = text.length <= maxLength ? URL.parse(text.trim()) : null
  if (!url) throw invalid(`must be a URL of at most ${maxLength} characters`)
  const isLocalHttp = rules.allowLocal && url.protocol === 'http:'
  if (url.protocol !== 'https:' && !isLocalHttp) throw invalid('must begin with https://')
  if (url.username || url.password) throw invalid('must hold no name and no password')
  if (url.hash) throw invalid('must have no fragment')
  if (url.port && Number(url.port) < firstFreePort)
    throw invalid(`must have the port 443, or one from ${firstFreePort} on`)
  try {
    requireAddress(url.hostname, rules)
  } catch (error) {
    throw invalid(`must lead to the internet: ${(error as Error).message}`)
  }
  return url.href
}

const invalid = (requirement: string) => new AppError('invalid', `"url" ${requirement}`)
