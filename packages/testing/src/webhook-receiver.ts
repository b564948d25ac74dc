import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A post of one event to a webhook endpoint. */
export interface ReceivedPost {
  headers: IncomingHttpHeaders
  body: string
  event: { id: string; subject_id: string; kind: string }
}

export interface WebhookReceiver extends AsyncDisposable {
  url: string
  /** In the order in which they came, whatever they were answered. */
  posts: ReceivedPost[]
}

export type AnswerPost = (post: ReceivedPost, response: ServerResponse) => void

const accept: AnswerPost = (_post, response) => void response.end('{}')

/** An integrator's server; `answer` says what it does with a post. */
export async function openWebhookReceiver(answer: AnswerPost = accept): Promise<WebhookReceiver> {
  const posts: ReceivedPost[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks).toString()
    const post = { headers: request.headers, body, event: JSON.parse(body) }
    posts.push(post)
    answer(post, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/hook`,
    posts,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    },
  }
}
