import type { FastifyReply, FastifyRequest } from 'fastify'

/** The cookie that holds a person's session. */
export interface SessionCookie {
  /** What the browser sent. */
  token: string | undefined
  /** Has the browser keep a session until its end. */
  begin(token: string, endsAtMs: number): void
  /** Has the browser forget it. */
  end(): void
}

/**
 * With `__Host-` a browser takes it from this host over TLS only, so that no other site of the domain
 * can plant one. A development machine has no TLS.
 */
export const cookieName = (publicUrl: string): string =>
  isSecure(publicUrl) ? '__Host-lockstep' : 'lockstep'

const isSecure = (publicUrl: string): boolean => new URL(publicUrl).protocol === 'https:'

export function sessionCookie(
  publicUrl: string,
  request: FastifyRequest,
  reply: FastifyReply,
): SessionCookie {
  const name = cookieName(publicUrl)
  const set = (value: string, expires: Date) =>
    void reply.setCookie(name, value, {
      path: '/',
      httpOnly: true,
      sameSite: 'lax',
      secure: isSecure(publicUrl),
      expires,
    })
  return {
    token: request.cookies[name],
    begin: (token, endsAtMs) => set(token, new Date(endsAtMs)),
    end: () => set('', new Date(0)),
  }
}
