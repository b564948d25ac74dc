import type { IncomingHttpHeaders } from 'node:http'
import { AppError, mayDo, type Right } from '@lockstep/contracts'
import type { Caller } from './authenticator.ts'

/**
 * Who may ask: who has a right; `anyone`, before it is known who; `caller`, any key or person; or
 * `person`, who is signed in.
 */
export type Access = Right | 'anyone' | 'caller' | 'person'

/** Throws `forbidden` with what the route asks for. */
export function requireAccess(caller: Caller, access: Access): void {
  if (access === 'anyone' || access === 'caller') return
  if (access === 'person') {
    if (caller.kind === 'person') return
    throw new AppError(
      'forbidden',
      'This is for people: sign in with POST /v1/session, and send no API key',
    )
  }
  if (mayDo(caller.rights, access)) return
  throw new AppError(
    'forbidden',
    caller.kind === 'person'
      ? `Your role has not the right "${access}"; an owner can give you one that has it`
      : `This API key has not the right "${access}"; an owner can create one that has it`,
  )
}

/**
 * Throws `forbidden` for a request that a page of another site has made, beside what `SameSite`
 * keeps away. What comes from no browser has neither header.
 */
export function requireSameOrigin(headers: IncomingHttpHeaders, publicUrl: string): void {
  const site = headers['sec-fetch-site']
  const { origin, host } = headers
  const isOurs =
    site === undefined
      ? origin === undefined || origin === new URL(publicUrl).origin || hostOf(origin) === host
      : site === 'same-origin' || site === 'none'
  if (isOurs) return
  throw new AppError(
    'forbidden',
    'A page of another site may not do this; open it at the address of this API',
  )
}

const hostOf = (origin: string): string | undefined =>
  URL.canParse(origin) ? new URL(origin).host : undefined
