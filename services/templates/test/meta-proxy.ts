import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** An answer that Meta has given and that is kept on its way. */
export interface HeldAnswer {
  /** Resolves when Meta has answered. */
  answered: Promise<void>
  release(): void
}

export interface MetaProxy extends AsyncDisposable {
  url: string
  /** Keeps the answer to the next call that isn't kept already. */
  holdNext(): HeldAnswer
}

/** An HTTP proxy before Meta, for calls without a body. Disposing it lets go of what it holds. */
export async function openMetaProxy(target: string): Promise<MetaProxy> {
  const next: { answered: () => void; released: Promise<void> }[] = []
  const releases: (() => void)[] = []
  const server = createServer(async ({ method, url, headers }, response) => {
    const held = next.shift()
    const answer = await fetch(new URL(url!, target), {
      method,
      headers: { authorization: headers.authorization! },
    })
    const body = await answer.text()
    held?.answered()
    await held?.released
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(body)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    holdNext() {
      const answered = Promise.withResolvers<void>()
      const released = Promise.withResolvers<void>()
      next.push({ answered: answered.resolve, released: released.promise })
      releases.push(released.resolve)
      return { answered: answered.promise, release: released.resolve }
    },
    async [Symbol.asyncDispose]() {
      for (const release of releases) release()
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}
