import type { FastifyReply, FastifyRequest } from 'fastify'

/** A cookie that holds a person's session, or a step of signing in. */
export interface SessionCookie {
  /** What the browser sent. */
  token: string | undefined
  /** Has the browser keep it until its end. */
  begin(token: string, endsAtMs: number): void
  /** Has the browser forget it. */
  end(): void
}

/**
 * With `__Host-` a browser takes it from this host over TLS only, so that no other site of the domain
 * can plant one. A development machine has no TLS.
 */
export const cookieName = (publicUrl: string, kind: CookieKind = 'session'): string =>
  `${isSecure(publicUrl) ? '__Host-' : ''}${names[kind]}`

/** A session, or what the browser keeps between two steps of signing in. */
type CookieKind = keyof typeof names

const names = { session: 'lockstep', step: 'lockstep-step' } as const

const isSecure = (publicUrl: string): boolean => new URL(publicUrl).protocol === 'https:'

/** Sets a cookie of this host that no script reads. */
function setCookie(
  reply: FastifyReply,
  publicUrl: string,
  name: string,
  { value, expires }: { value: string; expires: Date },
): void {
  const options = { path: '/', httpOnly: true, sameSite: 'lax', expires } as const
  void reply.setCookie(name, value, { ...options, secure: isSecure(publicUrl) })
}

export function sessionCookie(
  publicUrl: string,
  request: FastifyRequest,
  reply: FastifyReply,
  kind: CookieKind = 'session',
): SessionCookie {
  const name = cookieName(publicUrl, kind)
  return {
    token: request.cookies[name],
    begin: (value, endsAtMs) =>
      setCookie(reply, publicUrl, name, { value, expires: new Date(endsAtMs) }),
    end: () => setCookie(reply, publicUrl, name, { value: '', expires: new Date(0) }),
  }
}
