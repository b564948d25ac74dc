import { createHash } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { routes } from '../src/http/index.ts'
import { servedLinkPages } from '../src/pages/link-pages.ts'
import { type Api, openApi, openStack } from './fixtures.ts'

const up = new AsyncDisposableStack()
let api: Api

beforeAll(async () => {
  const stack = up.use(await openStack())
  api = up.use(await openApi(stack.config))
})
afterAll(() => up.disposeAsync())

const paths = [...servedLinkPages.keys()]
const pageAt = async (path: string) => {
  const response = await fetch(`${api.url}${path}`)
  return { response, page: await response.text() }
}
const all = (page: string, pattern: RegExp) =>
  [...page.matchAll(pattern)].map(([, found]) => found!)

test.each(paths)('%s asks for the fields of the request that its form becomes', async (path) => {
  const { page } = await pageAt(path)
  const [postTo] = all(page, / data-post-to="([^"]+)"/g)
  const route = routes.find((each) => each.method === 'POST' && each.path === postTo)!
  const { properties, required } = z.toJSONSchema(route.body, { io: 'input' }) as {
    properties: object
    required: string[]
  }
  const fields = all(page, /<input name="([^"]+)"/g)
  const posted = 'token' in properties ? [...fields, 'token'] : fields
  expect(posted.toSorted()).toEqual(Object.keys(properties).toSorted())
  const must = all(page, /<input name="([^"]+)"[^>]* required/g)
  expect(must).toEqual(expect.arrayContaining(required.filter((name) => name !== 'token')))
})

test.each(paths)(
  'a browser runs only the script of %s, and lets it ask this site only',
  async (path) => {
    const { response, page } = await pageAt(path)
    expect(response.status).toBe(200)
    const hash = (tag: string) => {
      const [text] = all(page, new RegExp(`<${tag}>(.*?)</${tag}>`, 'gs'))
      return createHash('sha256').update(text!).digest('base64')
    }
    expect(response.headers.get('content-security-policy')).toBe(
      `default-src 'none'; style-src 'sha256-${hash('style')}'; script-src 'sha256-${hash('script')}'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    )
    expect(response.headers.get('referrer-policy')).toBe('no-referrer')
    expect(page).not.toMatch(/ (on\w+|src|style|action)=/)
  },
)
