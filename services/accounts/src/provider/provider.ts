import { AppError } from '@lockstep/contracts'
import * as openid from 'openid-client'
import type { Config } from '../config.ts'

/** What an answer of the provider must fit. */
export interface ProviderCheck {
  state: string
  nonce: string
  /** Of PKCE: nobody else has it, so that a code that was stolen is worth nothing. */
  verifier: string
}

export interface Provider {
  issuer: string
  /** Where a person signs in. Throws `busy` while the provider is away. */
  begin(): Promise<{ url: string; check: ProviderCheck }>
  /**
   * The e-mail of who signed in, null when the provider has not verified it. Throws `unauthenticated`
   * for an answer that does not fit.
   */
  finish(query: string, check: ProviderCheck): Promise<string | null>
}

const timeoutS = 10
const scope = 'openid email'
const callbackPath = '/sign-in/oidc/callback'

type Settings = Pick<Config, 'oidcIssuer' | 'oidcClientId' | 'oidcClientSecret' | 'publicUrl'>

/** Null without an issuer; throws `invalid` when it alone is configured. */
export function openProvider(config: Settings): Provider | null {
  const { oidcIssuer: issuer, oidcClientId, publicUrl } = config
  if (!issuer) return null
  if (!oidcClientId || !publicUrl)
    throw new AppError(
      'invalid',
      'LOCKSTEP_OIDC_CLIENT_ID and LOCKSTEP_PUBLIC_URL must be set where LOCKSTEP_OIDC_ISSUER is',
    )
  if (!isOnThisMachine(new URL(issuer)) && !issuer.startsWith('https:'))
    throw new AppError('invalid', 'LOCKSTEP_OIDC_ISSUER must begin with https:')
  const redirectUri = new URL(callbackPath, publicUrl).href
  const discovered = discoverer(config, issuer, oidcClientId)
  return {
    issuer,
    async begin() {
      const provider = await discovered()
      const check = {
        state: openid.randomState(),
        nonce: openid.randomNonce(),
        verifier: openid.randomPKCECodeVerifier(),
      }
      const { href } = openid.buildAuthorizationUrl(provider, {
        redirect_uri: redirectUri,
        scope,
        state: check.state,
        nonce: check.nonce,
        code_challenge: await openid.calculatePKCECodeChallenge(check.verifier),
        code_challenge_method: 'S256',
      })
      return { url: href, check }
    },
    finish: (query, { state, nonce, verifier }) =>
      answered(async () => {
        const provider = await discovered()
        const tokens = await openid.authorizationCodeGrant(
          provider,
          new URL(`?${query}`, redirectUri),
          { expectedState: state, expectedNonce: nonce, pkceCodeVerifier: verifier },
        )
        const claims = tokens.claims()!
        const said =
          claims.email === undefined && provider.serverMetadata().userinfo_endpoint
            ? await openid.fetchUserInfo(provider, tokens.access_token, claims.sub)
            : claims
        return said.email_verified === true && typeof said.email === 'string' ? said.email : null
      }),
  }
}

/** Elsewhere whoever is between could sign in as anybody. */
const isOnThisMachine = ({ protocol, hostname }: URL): boolean =>
  protocol === 'http:' && /^(?:127\.0\.0\.1|localhost|\[::1\])$/.test(hostname)

/** Asks the provider once what it is, and again after a failure. */
function discoverer(config: Settings, issuer: string, clientId: string) {
  const url = new URL(issuer)
  const execute = [
    openid.enableNonRepudiationChecks,
    ...(isOnThisMachine(url) ? [openid.allowInsecureRequests] : []),
  ]
  let known: Promise<openid.Configuration> | undefined
  return () => {
    known ??= openid
      .discovery(url, clientId, config.oidcClientSecret, undefined, { execute, timeout: timeoutS })
      .catch((error) => {
        known = undefined
        throw away(error)
      })
    return known
  }
}

const away = (cause: unknown) =>
  new AppError('busy', 'The provider at which you sign in is away; try again', { cause })

/** What the library throws of an answer, in our words. */
async function answered<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (cause) {
    const { code } = cause as { code?: string }
    if (cause instanceof AppError) throw cause
    if (cause instanceof TypeError || code === 'OAUTH_TIMEOUT') throw away(cause)
    throw new AppError(
      'unauthenticated',
      'The answer of the provider does not fit what was asked; sign in again',
      { cause },
    )
  }
}
