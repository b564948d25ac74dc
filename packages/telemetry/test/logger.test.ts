import { expect, test } from 'vitest'
import { createLogger } from '../src/index.ts'
import { humanLine } from '../src/logger.ts'

function logged(write: (log: ReturnType<typeof createLogger>) => void): string[] {
  const lines: string[] = []
  write(createLogger({ service: 'campaigns', to: { write: (line) => lines.push(line) } }))
  return lines
}

test('a secret is in no log line, down to the third level', () => {
  const secret = 'EAAG-very-secret'
  const [line] = logged((log) =>
    log.info(
      {
        token: secret,
        headers: { authorization: secret },
        app: { inner: { appSecret: secret, apiKey: secret } },
        n: 1,
      },
      'sent',
    ),
  )
  expect(line).not.toContain(secret)
  expect(JSON.parse(line!)).toMatchObject({
    service: 'campaigns',
    msg: 'sent',
    n: 1,
    token: '[redacted]',
  })
})

test.each([
  ...[
    'token',
    'accessToken',
    'access_token',
    'verifyToken',
    'verify_token',
    'sealedToken',
    'secret',
    'appSecret',
    'app_secret',
  ],
  ...[
    'sealedSecret',
    'password',
    'authorization',
    'apiKey',
    'api_key',
    'encryptionKey',
    'platformKey',
  ],
])('a value under the name %s is in no log line, nor among the details of an error', (name) => {
  const secret = 'EAAG-very-secret'
  const err = Object.assign(new Error('failed'), { details: { [name]: secret } })
  const written = logged((log) =>
    log.error(
      { [name]: secret, config: { [name]: secret, inner: { [name]: secret } }, err },
      'failed',
    ),
  )
  expect(written).toHaveLength(1)
  expect(written.join()).not.toContain(secret)
})

test('the default level is info', () => {
  expect(logged((log) => log.debug('quiet'))).toEqual([])
})

test('a person sees one line per entry, without terminal codes from outside', () => {
  const [line] = logged((log) =>
    log.warn({ template: 'promo\n\u001b[31m', err: new Error('paused') }, 'campaign paused'),
  )
  const human = humanLine(line!)
  expect(human).toMatch(
    /^\d\d:\d\d:\d\d {2}campaigns +warning: campaign paused {2}template=promo \[31m {2}\(paused\)\n$/,
  )
})
