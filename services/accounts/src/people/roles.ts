import { AppError, everyRight, rights, roles } from '@lockstep/contracts'
import { requireText } from '@lockstep/service'

type BuiltIn = keyof typeof roles

export const builtInRoles = Object.keys(roles) as BuiltIn[]

export const isBuiltIn = (name: string): name is BuiltIn => Object.hasOwn(roles, name)

/** What a role lets do; of one that is gone nothing. */
export const rightsOf = ({
  role,
  ownRights,
}: {
  role: string
  ownRights: readonly string[] | null
}): string[] => [...(ownRights ?? (isBuiltIn(role) ? roles[role] : []))]

const longestName = 64

/** The name of an own role: of one line, and none that means another. */
export function requireRoleName(text: string): string {
  const name = requireText(text, 'name', longestName)
  if (/\p{Cc}/u.test(name)) throw new AppError('invalid', '"name" must be one line of text')
  if (isBuiltIn(name.toLowerCase()))
    throw new AppError(
      'conflict',
      `There is a role "${name.toLowerCase()}" in every account; take another name`,
    )
  return name
}

/** Rights of the table, each once; an owner alone has those of later versions too. */
export function requireRoleRights(asked: readonly string[]): string[] {
  if (asked.length === 0) throw new AppError('invalid', '"rights" must name at least one right')
  const unknown = asked.find((right) => !Object.hasOwn(rights, right))
  if (unknown === undefined) return [...new Set(asked)].sort()
  const why = unknown === everyRight ? ', which only an owner has' : ''
  throw new AppError(
    'invalid',
    `"rights" names "${unknown.slice(0, 64)}"${why}; there are ${Object.keys(rights).join(', ')}`,
  )
}
