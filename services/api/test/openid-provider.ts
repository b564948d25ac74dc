import { once } from 'node:events'
import { createServer } from 'node:http'
import Provider, { type Configuration } from 'oidc-provider'
import type { Api, Reply } from './fixtures.ts'

const clientId = 'lockstep'
const clientSecret = 'a secret of the client'
const publicUrl = 'https://lockstep.example.com'
const callback = `${publicUrl}/sign-in/oidc/callback`

/** What the provider knows of somebody. */
interface Known {
  email?: string
  email_verified?: boolean
}

/** A real OpenID provider, at which whoever the test names signs in. */
export async function startOpenIdProvider() {
  const people = new Map<string, Known>()
  let signsIn = ''
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const issuer = `http://127.0.0.1:${(server.address() as { port: number }).port}`
  const provider = new Provider(issuer, settingsFor(people))
  const answer = provider.callback()
  server.on('request', (request, response) => {
    if (!request.url?.startsWith('/interaction/')) return answer(request, response)
    const login = { accountId: signsIn }
    return provider.interactionFinished(request, response, { login })
  })

  /** Signs somebody in at an address of the provider; answers what follows "?" on the way back. */
  async function signIn(url: string, as: string, known: Known): Promise<string> {
    signsIn = as
    people.set(as, known)
    const jar = new Map<string, string>()
    for (let at = url; ; ) {
      const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
      const response = await fetch(at, { redirect: 'manual', headers: { cookie } })
      for (const set of response.headers.getSetCookie()) {
        const [pair = ''] = set.split(';')
        jar.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1))
      }
      const location = response.headers.get('location')
      if (!location) throw new Error(`${at}: ${response.status} ${await response.text()}`)
      at = new URL(location, at).href
      if (at.startsWith(callback)) return at.split('?')[1]!
    }
  }

  return {
    environment: {
      LOCKSTEP_PUBLIC_URL: publicUrl,
      LOCKSTEP_OIDC_ISSUER: issuer,
      LOCKSTEP_OIDC_CLIENT_ID: clientId,
      LOCKSTEP_OIDC_CLIENT_SECRET: clientSecret,
    },
    signIn,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    },
  }
}

export type OpenIdProvider = Awaited<ReturnType<typeof startOpenIdProvider>>

function settingsFor(people: ReadonlyMap<string, Known>): Configuration {
  return {
    clients: [{ client_id: clientId, client_secret: clientSecret, redirect_uris: [callback] }],
    claims: { openid: ['sub'], email: ['email', 'email_verified'] },
    cookies: { keys: ['a key of the provider'] },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_ctx, { uid }) => `/interaction/${uid}` },
    pkce: { required: () => true },
    findAccount: (_ctx, sub) => ({
      accountId: sub,
      claims: async () => ({ sub, ...people.get(sub) }),
    }),
    async loadExistingGrant({ oidc }) {
      const { client, session } = oidc
      const grant = new oidc.provider.Grant({
        clientId: client!.clientId,
        accountId: session!.accountId!,
      })
      grant.addOIDCScope('openid email')
      await grant.save()
      return grant
    },
  }
}

/** What a browser holds between two requests. */
interface Browser {
  /** Cookies, as they are sent. */
  cookie: string
  location: string
}

const cookieNamed = ({ headers }: Pick<Reply, 'headers'>, name: string): string | undefined =>
  headers
    .getSetCookie()
    .map((set) => set.split(';')[0]!)
    .find((pair) => pair.startsWith(`${name}=`) && pair !== `${name}=`)

/** Opens a page of the API as a browser does, without following where it sends it. */
export async function open(api: Api, page: string, cookie = '') {
  const response = await fetch(api.url + page, { redirect: 'manual', headers: { cookie } })
  const { status, headers } = response
  const text = await response.text()
  const json = text.startsWith('{') ? JSON.parse(text) : {}
  return {
    ...{ status, headers, json, location: headers.get('location') ?? '' },
    session: cookieNamed({ headers }, 'lockstep'),
    step: cookieNamed({ headers }, 'lockstep-step'),
  }
}

/** Begins to sign in; the browser is to go to `location`. */
export async function beginSignIn(api: Api, query = ''): Promise<Browser> {
  const { status, location, step, json } = await open(api, `/sign-in/oidc${query}`)
  if (status !== 302 || !step) throw new Error(`${status} ${JSON.stringify(json)}`)
  return { cookie: step, location }
}

/** The way back from the provider. */
export const finishSignIn = (api: Api, answer: string, cookie: string) =>
  open(api, `/sign-in/oidc/callback?${answer}`, cookie)
