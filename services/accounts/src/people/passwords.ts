import { argon2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { AppError } from '@lockstep/contracts'

export interface Passwords {
  /** Argon2id in PHC form: `$argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>`. */
  hash(password: string): Promise<string>
  /** Takes the same time without a hash: then no password is right. */
  isRight(password: string, hash: string | undefined): Promise<boolean>
}

/** OWASP's least for argon2id: 19 MiB, two passes; about 40 ms. */
const costs = { memory: 19_456, passes: 2, parallelism: 1, tagLength: 32 } as const
const prefix = `$argon2id$v=19$m=${costs.memory},t=${costs.passes},p=${costs.parallelism}$`

/** Each takes a thread of four and 19 MiB. */
const mostAtOnce = 3
/** About a second and a half of waiting. */
const mostWaiting = 100

const derive = promisify(argon2)
const hashOf = (password: string, nonce: Buffer): Promise<Buffer> =>
  derive('argon2id', { ...costs, message: password.normalize('NFKC'), nonce })

const base64 = (bytes: Buffer): string => bytes.toString('base64').replaceAll('=', '')
const phc = (salt: Buffer, hash: Buffer): string => `${prefix}${base64(salt)}$${base64(hash)}`

/** Some at once, some more in order; throws `busy` beyond. */
export function createPasswords(): Passwords {
  const places = limited(mostAtOnce, mostWaiting)
  const nobodys = phc(randomBytes(16), randomBytes(costs.tagLength))
  return {
    hash: (password) =>
      places(async () => {
        const salt = randomBytes(16)
        return phc(salt, await hashOf(password, salt))
      }),
    isRight: (password, hash) =>
      places(async () => {
        const [salt, wanted] = partsOf(hash ?? nobodys)
        return timingSafeEqual(await hashOf(password, salt), wanted) && hash !== undefined
      }),
  }
}

function partsOf(hash: string): [salt: Buffer, hash: Buffer] {
  const [salt, wanted] = hash.startsWith(prefix) ? hash.slice(prefix.length).split('$') : []
  if (!salt || !wanted) throw new AppError('internal', 'A password has a hash of an unknown kind')
  return [Buffer.from(salt, 'base64'), Buffer.from(wanted, 'base64')]
}

function limited(atOnce: number, waiting: number) {
  let running = 0
  const queue: (() => void)[] = []
  return async <T>(work: () => Promise<T>): Promise<T> => {
    if (running >= atOnce && queue.length >= waiting)
      throw new AppError('busy', 'Too many people sign in at this moment; try again')
    if (running >= atOnce) await new Promise<void>((turn) => queue.push(turn))
    else running++
    try {
      return await work()
    } finally {
      const next = queue.shift()
      if (next) next()
      else running--
    }
  }
}

const shortest = 12
const longest = 256

/** Throws `invalid` for a password that nobody should choose. */
export function requirePassword(password: string, email: string): void {
  if (password.length < shortest || password.length > longest)
    throw new AppError('invalid', `"password" must have ${shortest} to ${longest} characters`)
  if (password.toLowerCase() === email)
    throw new AppError('invalid', '"password" must be another text than the e-mail')
}
