import { z } from 'zod'
import { id, idParams, text } from '../input.ts'
import { time } from '../response.ts'
import { route } from '../route.ts'

export const person = z
  .object({ id: z.string(), email: z.string(), name: z.string() })
  .meta({ id: 'Person' })
const session = z
  .object({
    id: z.string(),
    created_at: time,
    last_used_at: time,
    ends_at: time,
    origin: z.object({ address: z.string(), user_agent: z.string() }),
  })
  .meta({ id: 'Session' })
/** The session itself goes into the cookie, never into the body. */
export const signedIn = z
  .object({ account_id: z.string(), person, session })
  .meta({ id: 'SignedIn' })

const path = '/v1/session'

/** A password is taken as it is, spaces and all. */
export const password = z.string({ error: 'must be a text' }).max(256, 'is too long')

/** Of a second factor, or a recovery code. */
export const code = text(64)

export const signIn = route({
  method: 'POST',
  audit: 'accounts',
  path,
  right: 'anyone',
  summary:
    'Signs a person in: the session is in a cookie of the response. Whoever was signed in with the browser before is signed out. Who has a second factor is answered 422 without its code.',
  body: z.strictObject({
    email: text(254),
    password,
    account_id: id.optional(),
    code: code.optional(),
  }),
  status: 201,
  response: signedIn,
  errors: ['precondition'],
  afterLostResponse: 'Sign in again: a session that nobody has ends by itself.',
  run: async (ctx, { body: { account_id: accountId, ...body }, cookie, origin }, call) => {
    const previousToken = cookie.token
    const asked = { ...body, accountId, origin, previousToken }
    const done = await ctx.peers.accounts.signIn(asked, call)
    if (previousToken) ctx.authenticator.forget(previousToken)
    cookie.begin(done.token, done.session!.endsAtMs)
    return done
  },
})

export const finishSignIn = route({
  method: 'POST',
  audit: 'accounts',
  path: `${path}/code`,
  right: 'anyone',
  summary:
    'The second step of who has a second factor and has signed in at the provider: the browser has come back from it with a cookie.',
  body: z.strictObject({ code }),
  status: 201,
  response: signedIn,
  errors: ['precondition'],
  afterLostResponse: 'Sign in again: a session that nobody has ends by itself.',
  run: async (ctx, { body, cookie, stepCookie, origin }, call) => {
    const previousToken = cookie.token
    const asked = { ...body, ticket: stepCookie.token ?? '', origin, previousToken }
    const done = await ctx.peers.accounts.finishWithCode(asked, call)
    stepCookie.end()
    if (previousToken) ctx.authenticator.forget(previousToken)
    cookie.begin(done.token, done.session!.endsAtMs)
    return done
  },
})

export const signOut = route({
  method: 'DELETE',
  audit: 'accounts',
  path,
  right: 'person',
  summary: 'Signs out: ends the session that the request came with.',
  response: z.object({ ended: z.number() }),
  errors: ['not_found'],
  afterLostResponse: 'Signing out again does no harm.',
  run: async (ctx, { caller: { personId, sessionId }, cookie }, call) => {
    const done = await ctx.peers.accounts.endSessions({ personId, id: sessionId }, call)
    ctx.authenticator.forget(cookie.token!)
    cookie.end()
    return done
  },
})

export const getMe = route({
  method: 'GET',
  path: '/v1/me',
  right: 'caller',
  summary:
    'Says who asks: a person with all accounts of theirs, or an API key; and what they may do in this account.',
  response: z.object({
    account_id: z.string(),
    rights: z.array(z.string()),
    api_key_id: z.string().nullable(),
    session_id: z.string().nullable(),
    person: person.nullable(),
    accounts: z.array(z.object({ account_id: z.string(), name: z.string(), role: z.string() })),
  }),
  errors: ['not_found'],
  run: async (ctx, { caller }, call) => {
    const { accountId, rights } = caller
    if (caller.kind === 'program')
      return { accountId, rights, apiKeyId: caller.keyId, accounts: [] }
    const { personId: id, sessionId } = caller
    return { accountId, rights, sessionId, ...(await ctx.peers.accounts.getPerson({ id }, call)) }
  },
})

const sessions = '/v1/sessions'

export const listSessions = route({
  method: 'GET',
  path: sessions,
  right: 'person',
  summary: 'Lists your sessions in this account, newest first, with where each came from.',
  response: z.object({ sessions: z.array(session) }),
  run: (ctx, { caller: { personId } }, call) => ctx.peers.accounts.listSessions({ personId }, call),
})

export const endSession = route({
  method: 'DELETE',
  audit: 'accounts',
  path: `${sessions}/:id`,
  right: 'person',
  summary: 'Ends one of your sessions: within a second it is refused everywhere.',
  params: idParams,
  response: z.object({ ended: z.number() }),
  errors: ['not_found'],
  afterLostResponse: `Look at GET ${sessions}: one that is not there is over.`,
  run: (ctx, { params, caller: { personId } }, call) =>
    ctx.peers.accounts.endSessions({ ...params, personId }, call),
})

export const endSessions = route({
  method: 'DELETE',
  audit: 'accounts',
  path: sessions,
  right: 'person',
  summary: 'Ends all of your sessions in this account, this one too.',
  response: z.object({ ended: z.number() }),
  afterLostResponse: 'Sign in, and look at what is left.',
  run: async (ctx, { caller: { personId }, cookie }, call) => {
    const done = await ctx.peers.accounts.endSessions({ personId }, call)
    ctx.authenticator.forget(cookie.token!)
    cookie.end()
    return done
  },
})
