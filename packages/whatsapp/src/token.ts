import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto'
import { type KeyRing, ringKeys } from '@lockstep/contracts'

/**
 * `c`: an attempt of a campaign, the owner is the campaign. `m`: an attempt of a message of the
 * inbox or a bot.
 */
export type TokenKind = 'c' | 'm'

interface TokenContent {
  kind: TokenKind
  ownerId: string
  attemptId: string
}

export interface Tokens {
  /**
   * The `biz_opaque_callback_data` of one attempt: at most 512 characters (whaloc SPEC), which Meta
   * echoes on each of its statuses.
   */
  issue(content: TokenContent & { phoneNumberId: string }): string
  /**
   * What a token names, or null if it is not one of ours for this number. A bad token counts as
   * none.
   */
  read(token: unknown, phoneNumberId: string): TokenContent | null
}

const idPattern = /^[A-Za-z0-9_-]{1,128}$/
const tokenPattern = /^lk1\.([cm])\.([A-Za-z0-9_-]{1,128})\.([A-Za-z0-9_-]{1,128})\.([0-9a-f]{12})$/

/**
 * Tokens `lk1.<kind>.<ownerId>.<attemptId>.<tag>`: the tag binds them to a platform key and to one
 * number. The ring's first key issues, any of it is believed.
 */
export function createTokens(ring: KeyRing): Tokens {
  const platformKeys = ringKeys(ring).map(({ key }) => key)
  if (platformKeys.some((key) => key.length < 16))
    throw new TypeError('A platform key is too short: it must have at least 16 bytes')
  // As a KeyObject an HMAC costs 1 µs, as a buffer 8 µs: a batch of statuses has a thousand.
  const keys = platformKeys.map((key) => createSecretKey(key))
  return {
    issue({ kind, ownerId, attemptId, phoneNumberId }) {
      for (const id of [ownerId, attemptId]) {
        if (!idPattern.test(id))
          throw new TypeError(`"${id}" can not stand in a token: use letters, digits, - and _ only`)
      }
      const content = `lk1.${kind}.${ownerId}.${attemptId}`
      return `${content}.${tag(keys[0]!, phoneNumberId, content)}`
    },
    read(token, phoneNumberId) {
      const parts = typeof token === 'string' ? tokenPattern.exec(token) : null
      if (!parts) return null
      const [, kind, ownerId, attemptId, given] = parts as unknown as [
        string,
        TokenKind,
        string,
        string,
        string,
      ]
      const content = `lk1.${kind}.${ownerId}.${attemptId}`
      const isOurs = keys.some((key) =>
        timingSafeEqual(Buffer.from(given), Buffer.from(tag(key, phoneNumberId, content))),
      )
      return isOurs ? { kind, ownerId, attemptId } : null
    },
  }
}

/**
 * 48 bits: enough to tell our statuses from strangers', which can only cost a wrong lane; rows
 * decide the rest.
 */
function tag(key: KeyObject, phoneNumberId: string, content: string): string {
  return createHmac('sha256', key).update(`${phoneNumberId}\n${content}`).digest('hex').slice(0, 12)
}
