import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { requireUrl } from '../src/endpoints/endpoint-url.ts'
import { isPublicAddress } from '../src/posting/addresses.ts'
import { openPoster } from '../src/posting/poster.ts'

const message = { id: 'm', body: '{}' }
const secrets = ['whsec_AAAA']

test('only what is on the internet is a public address', () => {
  const isNot = [
    ...['127.0.0.1', '10.1.2.3', '172.16.0.1', '172.31.255.255', '192.168.0.1', '169.254.169.254'],
    ...['100.64.0.1', '0.0.0.0', '224.0.0.1', '255.255.255.255', '198.18.0.1', '192.0.2.1'],
    ...['::1', '::', '::ffff:127.0.0.1', 'fe80::1', 'fc00::1', 'ff02::1', '64:ff9b::7f00:1'],
    ...['2001:db8::1', '2001::1', '2002:7f00:1::', 'localhost', ''],
  ]
  expect(isNot.filter(isPublicAddress)).toEqual([])
  const is = ['8.8.8.8', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '2a00:1450:4001::1']
  expect(is.filter((address) => !isPublicAddress(address))).toEqual([])
})

test('a post to this machine reaches nobody, by address or by name, unless it is allowed', async () => {
  let posts = 0
  const server = createServer((_request, response) => {
    posts++
    response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const post = async (allowLocal: boolean, host: string) => {
    await using poster = openPoster({ allowLocal }, 2_000)
    return await poster.post({ url: `http://${host}:${port}/`, secrets }, message, Date.now())
  }
  for (const host of ['127.0.0.1', 'localhost', '[::1]', '0.0.0.0', '2130706433'])
    expect(await post(false, host), host).toMatchObject({
      status: 0,
      error: expect.stringMatching(/no public address/),
    })
  expect(posts).toBe(0)
  // Redirects are not followed.
  expect(await post(true, '127.0.0.1')).toMatchObject({
    status: 302,
    error: expect.stringMatching(/redirects/),
  })
  expect(posts).toBe(1)
  server.closeAllConnections()
  server.close()
})

test('an answer that does not come, or does not end, is cut off', async () => {
  const server = createServer((request, response) => {
    if (request.url === '/endless') {
      response.writeHead(200)
      const timer = setInterval(() => response.write('x'.repeat(100)), 20)
      response.once('close', () => clearInterval(timer))
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await using poster = openPoster({ allowLocal: true }, 300)
  for (const path of ['/silent', '/endless']) {
    const url = `http://127.0.0.1:${port}${path}`
    const posted = await poster.post({ url, secrets }, message, Date.now())
    expect([path, posted.status, posted.error]).toEqual([path, 0, 'No answer within 0.3 s'])
  }
  server.closeAllConnections()
  server.close()
})

test('a URL is https with a usual port, unless this machine is allowed', () => {
  const strict = { allowLocal: false }
  expect(requireUrl(' https://example.com/hook?a=1 ', strict)).toBe('https://example.com/hook?a=1')
  for (const url of [
    'http://example.com',
    'https://127.0.0.1',
    'https://example.com:80',
    'nonsense',
  ])
    expect(() => requireUrl(url, strict), url).toThrow(/"url" must/)
  expect(requireUrl('http://127.0.0.1:8080/', { allowLocal: true })).toBe('http://127.0.0.1:8080/')
})
