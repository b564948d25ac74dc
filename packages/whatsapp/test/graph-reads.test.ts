import { readFileSync } from 'node:fs'
import type { AppError } from '@lockstep/contracts'
import { expect, test } from 'vitest'
import {
  appSecretProof,
  classifyGraphError,
  createGraphClient,
  graphErrors,
  refusalCodes,
} from '../src/index.ts'
import { answerJson, startGraph } from './graph-server.ts'

const pages = JSON.parse(
  readFileSync(new URL('fixtures/template-pages.json', import.meta.url), 'utf8'),
) as unknown[]
const token = 'SECRET-token'
const access = { token, proof: '' }

test('templates are listed page by page until there is no next page, never by the address that carries a token', async () => {
  await using graph = await startGraph((req, res, body) =>
    answerJson(200, pages[graph.seen.length - 1])(req, res, body),
  )
  await using meta = createGraphClient({ baseUrl: graph.url, version: 'v24.0' })
  const seen = await Array.fromAsync(meta.listTemplates({ wabaId: '701', ...access }))
  expect(seen.map((page) => page.map(({ id, name, status }) => [id, name, status]))).toEqual([
    [['11', 'spring', 'APPROVED']],
    [['12', 'summer', 'REJECTED']],
  ])
  expect(seen[0]![0]).toMatchObject({
    parameterFormat: 'NAMED',
    quality: 'GREEN',
    components: [{ type: 'BODY', text: 'Hi' }],
  })
  expect(seen[1]![0]).toMatchObject({
    parameterFormat: 'POSITIONAL',
    quality: 'UNKNOWN',
    rejectedReason: 'INVALID_FORMAT',
  })
  expect(graph.seen.map(({ path }) => new URL(path, graph.url).searchParams.get('after'))).toEqual([
    null,
    'page 2&x',
  ])
})

test('a list without an end is given up after 100 pages', async () => {
  const endless = {
    data: [],
    paging: { cursors: { after: 'again' }, next: 'https://graph.example/' },
  }
  await using graph = await startGraph(answerJson(200, endless))
  await using meta = createGraphClient({ baseUrl: graph.url, version: 'v24.0' })
  await expect(
    Array.fromAsync(meta.listTemplates({ wabaId: '701', ...access })),
  ).rejects.toMatchObject({ failure: 'too_large' })
  expect(graph.seen).toHaveLength(100)
})

test.each([
  [
    401,
    { error: { code: 190, message: `Malformed access token ${token}` } },
    'precondition',
    graphErrors[190]!.message,
  ],
  [429, { error: { code: 80007 } }, 'throttled', graphErrors[80007]!.message],
  [500, '<html>', 'busy', 'Meta answered with an error'],
  [200, 'nonsense', 'busy', 'Meta answered without a list'],
])(
  'HTTP %i to a read fails with a message for a person and without the token',
  async (status, body, failure, message) => {
    await using graph = await startGraph(answerJson(status, body))
    await using meta = createGraphClient({ baseUrl: graph.url, version: 'v24.0' })
    const error = await Array.fromAsync(meta.listTemplates({ wabaId: '701', ...access })).then(
      () => undefined,
      (thrown: AppError) => thrown,
    )
    expect(error).toMatchObject({ failure, message: expect.stringContaining(message) })
    expect(`${error?.message}${error?.stack}${JSON.stringify(error?.details)}`).not.toContain(token)
  },
)

test('a number is read with its limit and quality', async () => {
  const number = {
    id: '801',
    display_phone_number: '+49 30 555010',
    quality_rating: 'GREEN',
    throughput: { level: 'STANDARD' },
  }
  await using graph = await startGraph(
    answerJson(200, { ...number, whatsapp_business_manager_messaging_limit: 'TIER_2K' }),
  )
  await using meta = createGraphClient({ baseUrl: graph.url, version: 'v24.0' })
  expect(await meta.getPhoneNumber({ phoneNumberId: '801', ...access })).toEqual({
    id: '801',
    displayPhoneNumber: '+49 30 555010',
    verifiedName: '',
    quality: 'GREEN',
    throughput: 'STANDARD',
    messagingLimit: 'TIER_2K',
    status: '',
  })
})

test('an id stays one part of the path, whatever stands in it', async () => {
  await using graph = await startGraph(answerJson(200, { id: '1', data: [] }))
  await using meta = createGraphClient({ baseUrl: graph.url, version: 'v24.0' })
  for (const phoneNumberId of ['..', '.', '1/../me?fields=name#x']) {
    await meta.getPhoneNumber({ phoneNumberId, ...access })
    await meta.sendMessage({ phoneNumberId, ...access, body: {} })
    await meta.hasPhoneNumber({ wabaId: phoneNumberId, phoneNumberId, ...access })
  }
  const paths = graph.seen.map(({ path }) => path.split('?')[0]!)
  expect(paths.map((path) => path.split('/').length)).toEqual([3, 4, 4, 3, 4, 4, 3, 4, 4])
  expect(paths.filter((path) => /\/\.{1,2}(\/|$)/.test(path))).toEqual([])
})

test('130403 is a block, and of all codes only these two say that somebody may not be written to', () => {
  expect(classifyGraphError(130403)).toMatchObject({ class: 'rejected', blocked: true })
  expect(refusalCodes([131000, 131050, null, undefined, 131050, 130403])).toEqual([131050, 130403])
  expect(refusalCodes(Object.keys(graphErrors).map(Number))).toEqual([130403, 131050])
})

test('131050 is an opt-out, 131049 forbids another try within 24 hours', () => {
  expect(classifyGraphError('131050')).toMatchObject({
    code: 131050,
    class: 'rejected',
    optOut: true,
  })
  expect(classifyGraphError(131049)).toMatchObject({
    class: 'rejected',
    noRetryBeforeMs: 86_400_000,
  })
})

test('a code is read from strings too, a subcode of 100 narrows its message, nonsense is no code', () => {
  expect(classifyGraphError('132015', 200)).toMatchObject({
    code: 132015,
    class: 'stop',
    scope: 'template',
  })
  expect(classifyGraphError(100, 400, 33).message).toBe(graphErrors[33]!.message)
  expect(classifyGraphError(190, 400, 33).message).toBe(graphErrors[190]!.message)
  for (const nonsense of [null, '', 'x', {}, Number.NaN, '1e3'])
    expect(classifyGraphError(nonsense, 503)).toMatchObject({ code: null, class: 'unknown' })
})

test('every row speaks in whole sentences', () => {
  for (const row of Object.values(graphErrors)) expect(row.message).toMatch(/^[A-Z].{20,}\.$/)
})

test('every call has the proof of its token in its query, and an empty one stands nowhere', async () => {
  await using graph = await startGraph(answerJson(200, { id: '801', data: [] }))
  await using meta = createGraphClient({ baseUrl: graph.url, version: 'v24.0' })
  const [wabaId, phoneNumberId, appSecret] = ['701', '801', 'app-secret']
  const proven = { token, proof: appSecretProof(token, appSecret) }
  await meta.getPhoneNumber({ phoneNumberId, ...proven })
  await meta.hasPhoneNumber({ wabaId, phoneNumberId, ...proven })
  await Array.fromAsync(meta.listTemplates({ wabaId, ...proven }))
  await meta.subscribeApp({ wabaId, ...proven })
  await meta.sendMessage({ phoneNumberId, ...proven, body: {} })
  await meta.checkApp({ metaAppId: '71', appSecret })
  await meta.getPhoneNumber({ phoneNumberId, ...access })
  const proofs = graph.seen.map(({ path }) =>
    new URL(path, graph.url).searchParams.getAll('appsecret_proof'),
  )
  const ofApp = appSecretProof(`71|${appSecret}`, appSecret)
  const right = [proven.proof]
  expect(proofs).toEqual([right, right, right, right, right, right, [ofApp], []])
  // RFC 4231's second case: the secret is the key, the token what is signed.
  expect(appSecretProof('what do ya want for nothing?', 'Jefe')).toBe(
    '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
  )
})
