import { createHash } from 'node:crypto'
import { isIPv6 } from 'node:net'
import { shares, Throttled } from '@lockstep/contracts'
import { counter } from '@lockstep/telemetry'
import type { Context } from '../context.ts'
import { countTries, forgetTries, forgiveTry } from '../db/sign-in-counts.ts'

/** What is counted, as its refusal names it. */
const tries = {
  sign_ins: 'tries to sign in',
  codes: 'tries of a code',
  reset_requests: 'requests for a link to another password',
} as const
type TryKind = keyof typeof tries

/** Who tries, as it is counted: by SHA-256, for a name may be a password that slipped. */
export interface Subjects {
  kind: TryKind
  name: Buffer
  address: Buffer
}

const refused = counter(
  'lockstep_sign_in_throttled_total',
  'Tries that were refused because of too many before, by kind, and by name or address',
)

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest()

export const subjectsOf = (kind: TryKind, name: string, address: string): Subjects => ({
  kind,
  name: sha256(`${kind} name ${name}`),
  address: sha256(`${kind} address ${networkOf(address)}`),
})

/** Of IPv6 the 64 bits that one household has; IPv4 as it is. */
function networkOf(address: string): string {
  const mapped = /^::ffff:([\d.]+)$/i.exec(address)?.[1]
  if (mapped || !isIPv6(address)) return mapped ?? address
  const [head = '', tail = ''] = address.split('::')
  const groups = head.split(':').filter(Boolean)
  const rest = tail.split(':').filter(Boolean)
  const missing = address.includes('::') ? 8 - groups.length - rest.length : 0
  return [...groups, ...Array<string>(missing).fill('0'), ...rest].slice(0, 4).join(':')
}

/**
 * Counts a try before it is made, so that many at once are not more than many in a row. Throws
 * `Throttled` over the limit of the name or the address; `onLocked` is called when it is the name's
 * first over it.
 */
export async function countTry(
  ctx: Context,
  { kind, name, address }: Subjects,
  onLocked?: () => Promise<void>,
): Promise<void> {
  const now = ctx.now()
  const windowMs = ctx.times.signInWindowMs
  const counts = await countTries(ctx.db, [name, address], {
    at: new Date(now),
    begunAfter: new Date(now - windowMs),
  })
  for (const { subject, tries: made, since } of counts) {
    const by = subject.equals(name) ? 'name' : 'address'
    const { limit } = shares[`${kind}_of_${by}`]
    if (made <= limit) continue
    if (by === 'name' && made === limit + 1) await onLocked?.()
    refused(1, { kind, by })
    const waitMs = since.getTime() + windowMs - now
    throw new Throttled(
      `There were too many ${tries[kind]}; try again in ${Math.ceil(waitMs / 60_000)} minutes`,
      waitMs,
    )
  }
}

/** Somebody has a new password: who guessed at the old one guesses no more. */
export const forgiveName = ({ db }: Context, email: string): Promise<void> =>
  forgetTries(db, subjectsOf('sign_ins', email, '').name)

/** A try succeeded: the name begins anew, the address has one less. */
export async function forgive({ db }: Context, { name, address }: Subjects): Promise<void> {
  await forgetTries(db, name)
  await forgiveTry(db, address)
}
