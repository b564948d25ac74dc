import { createSecretKey } from 'node:crypto'
import { verifySignature } from '@lockstep/whatsapp'
import fastify from 'fastify'

/** The gateway's door without what is behind it: the same server, the same check of the signature, and nothing is stored. */
const [secret = ''] = process.argv.slice(2)
const secrets = [createSecretKey(secret, 'utf8')]
const server = fastify({ bodyLimit: 3 * 1024 * 1024 })
server.removeAllContentTypeParsers()
server.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
server.post('/webhooks/:appId', async (request, reply) => {
  const signature = request.headers['x-hub-signature-256'] as string
  return reply.code(verifySignature(request.body as Buffer, signature, secrets) ? 200 : 401).send()
})
const url = await server.listen({ host: '127.0.0.1', port: 0 })
process.once('disconnect', () => process.exit())
process.send?.(url)
