import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** An answer of Meta's that has not arrived yet. */
export interface DelayedAnswer {
  /** Resolves when Meta has answered. */
  answered: Promise<void>
  release(): void
}

export interface MetaProxy extends AsyncDisposable {
  url: string
  /** Delays the answer to the next call, after those that are delayed already. */
  delayNext(): DelayedAnswer
}

/** An HTTP proxy before Meta, for calls without a body. Disposing it releases all answers. */
export async function openMetaProxy(target: string): Promise<MetaProxy> {
  const next: { answered: () => void; released: Promise<void> }[] = []
  const releases: (() => void)[] = []
  const server = createServer(async ({ method, url, headers }, response) => {
    const delayed = next.shift()
    const answer = await fetch(new URL(url!, target), {
      method,
      headers: { authorization: headers.authorization! },
    })
    const body = await answer.text()
    delayed?.answered()
    await delayed?.released
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(body)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    delayNext() {
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
