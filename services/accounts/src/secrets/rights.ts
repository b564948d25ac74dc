import { AppError, everyRight, mayDo, type Right, rights } from '@lockstep/contracts'

type AnyRight = Right | typeof everyRight

const isRight = (name: string): name is AnyRight =>
  name === everyRight || Object.hasOwn(rights, name)

/** Rights that there are, each once; throws `invalid` naming one that there isn't. */
export function requireRights(asked: readonly string[]): AnyRight[] {
  if (asked.length === 0) throw new AppError('invalid', '"rights" must name at least one right')
  const unknown = asked.find((name) => !isRight(name))
  if (unknown !== undefined)
    throw new AppError(
      'invalid',
      `"rights" names "${unknown.slice(0, 64)}"; there are "${everyRight}", ${Object.keys(rights).join(', ')}`,
    )
  return [...new Set(asked.filter(isRight))].sort()
}

/** Nobody gives, renews or ends a right that they don't have; throws `forbidden` naming it. */
export function requireHeld(held: readonly string[], wanted: readonly string[]): void {
  const missing = wanted.find((right) => !mayDo(held, right as AnyRight))
  if (missing !== undefined)
    throw new AppError('forbidden', `This needs the right "${missing}", which you don't have`)
}
