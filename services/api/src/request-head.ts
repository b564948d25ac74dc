import type { IncomingMessage } from 'node:http'
import { AppError } from '@lockstep/contracts'

/** Further ones are refused: each costs more than its bytes. */
const maxHeaderFields = 100

/**
 * Throws `invalid` for what a proxy before this server may read in another way than this server
 * does.
 */
export function requireSoundHead({ url = '', rawHeaders, httpVersion }: IncomingMessage): void {
  if (!url.startsWith('/') || url.includes('#'))
    throw new AppError(
      'invalid',
      'The target of a request must be a path that begins with "/", and have no fragment',
    )
  const names = rawHeaders.filter((_, at) => at % 2 === 0)
  if (names.length > maxHeaderFields)
    throw new AppError('invalid', `A request has at most ${maxHeaderFields} header fields`)
  const hosts = names.filter((name) => name.toLowerCase() === 'host').length
  if (hosts > 1 || (hosts === 0 && httpVersion === '1.1'))
    throw new AppError('invalid', 'A request must have the header Host once')
}
