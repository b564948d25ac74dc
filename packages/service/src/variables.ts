import type { KeyRing, RingKey } from '@lockstep/contracts'
import { z } from 'zod'

/** A whole number within bounds, in the words of an operator. */
export const integer = (min: number, max: number) => {
  const error = `must be a whole number from ${min} to ${max}`
  return z.coerce.number({ error }).int({ error }).min(min, { error }).max(max, { error })
}

export const port = integer(0, 65_535)

/** How many days rows are kept. */
export const retentionDays = (min: number, byDefault: number) =>
  integer(min, 36_500).default(byDefault)

export const url = (example: string) => z.url({ error: `must be a URL such as ${example}` })

const flag = z
  .enum(['true', 'false'], { error: 'must be true or false' })
  .default('false')
  .transform((text) => text === 'true')

/** What eases the work on a development machine, and is refused where NODE_ENV is production. */
export const developmentFlag = (about: string) =>
  flag.meta({ description: `${about}: for a development machine`, isForDevelopment: true })

/** Texts with commas between. */
export const list = z
  .string()
  .default('')
  .transform((text) => text.split(',').flatMap((each) => each.trim() || []))

const ringWords =
  'must be 32 bytes as 64 hex digits, e.g. from: openssl rand -hex 32; or several with an id before each, the one for what is new first: 2:…,1:…'
const maxKeys = 8

/** A key, or several with their ids, from a variable that has no default. */
export const keyRingSchema = z
  .string({ error: ringWords })
  .transform((text, { addIssue }): KeyRing => {
    const ring = readRing(text)
    if (ring) return ring
    addIssue(ringWords)
    return z.NEVER
  })

function readRing(text: string): RingKey[] | null {
  const named = /^[0-9a-f]{64}$/i.test(text)
    ? [`1:${text}`]
    : text.split(',').map((each) => each.trim())
  const keys = named.map((each) => /^([1-9]\d{0,2}):([0-9a-f]{64})$/i.exec(each))
  const ring = keys.map((match) => ({
    id: Number(match?.[1]),
    key: Buffer.from(match?.[2] ?? '', 'hex'),
  }))
  const isGood = keys.every(Boolean) && ring.length <= maxKeys && ring.every(({ id }) => id <= 255)
  const isDistinct =
    new Set(ring.map(({ id }) => id)).size === ring.length &&
    new Set(ring.map(({ key }) => key.toString('hex'))).size === ring.length
  return isGood && isDistinct ? ring : null
}

/** Seals secrets before they are rows, and opens them. */
export const encryptionKey = keyRingSchema.describe(
  'Seals and opens secrets in rows: 64 hex digits, or several keys with their ids',
)

/** Signs the token that each message carries. */
export const platformKey = keyRingSchema.describe(
  'Signs the tokens that statuses echo: 64 hex digits, or several keys with their ids',
)

const mailFromWords = 'must be an address such as Lockstep <no-reply@example.com>'

/** How mail is sent; without a server none is. */
export const mailVariables = {
  smtpUrl: z
    .url({
      protocol: /^smtps?$/,
      error: 'must be a URL such as smtp://user:password@mail.example.com:587',
    })
    .optional()
    .describe(
      'The mail server, by which links are mailed: with smtp: TLS is begun by STARTTLS, unless ?tls=none is added',
    ),
  mailFrom: z
    .string()
    .regex(/^(?:[^<>@,;\p{C}]*<[^<>@,\s\p{C}]+@[\w.-]+>|[^<>@,\s\p{C}]+@[\w.-]+)$/u, mailFromWords)
    .optional()
    .describe('Who mails are from, such as Lockstep <no-reply@example.com>'),
}

/** The OpenID provider at which people may sign in; without an issuer there is none. */
export const providerVariables = {
  oidcIssuer: url('https://login.example.com')
    .optional()
    .describe('The OpenID provider at which people may sign in, by its issuer'),
  oidcClientId: z.string().optional().describe('What the provider calls this system'),
  oidcClientSecret: z.string().optional().describe('The secret that the provider gave it'),
}

/** Where Meta's Graph API is; only a simulator changes the URL. */
export const graphVariables = {
  graphUrl: url('https://graph.facebook.com')
    .default('https://graph.facebook.com')
    .describe("Meta's Graph API"),
  graphVersion: z
    .string()
    .regex(/^v\d+\.\d+$/, 'must look like v24.0')
    .default('v24.0')
    .describe("Version of Meta's Graph API"),
}
