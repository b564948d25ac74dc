import type { FastifyInstance, FastifyReply } from 'fastify'
import { docsPage } from '../docs/page.ts'
import { typeOf } from '../http-response.ts'
import { describeApi } from '../openapi.ts'
import type { NamedRoute } from '../route.ts'
import { servedLinkPages } from './link-pages.ts'
import type { ServedPage } from './page.ts'

/** What anybody may read: the list of requests, the document, and the page made from it. */
export function serveDocs(server: FastifyInstance, routes: readonly NamedRoute[]): void {
  let described: { json: string; page: ServedPage } | undefined
  const describe = () => {
    const document = describeApi(routes)
    return { json: JSON.stringify(document), page: docsPage(document) }
  }
  server.get('/v1/openapi.json', (_request, reply) => {
    described ??= describe()
    return reply.type(typeOf(200)).send(described.json)
  })
  server.get('/docs', (_request, reply) => {
    described ??= describe()
    return sendPage(reply, described.page)
  })
  server.get('/v1', () => ({
    routes: routes.map(({ method, path, summary }) => ({ method, path, does: summary })),
  }))
}

/** What the links lead to that people get. */
export function serveLinkPages(server: FastifyInstance): void {
  for (const [path, page] of servedLinkPages)
    server.get(path, (_request, reply) => sendPage(reply, page))
}

const sendPage = (reply: FastifyReply, { text, policy }: ServedPage) =>
  reply.header('content-security-policy', policy).type('text/html; charset=utf-8').send(text)
