import { AppError, roles } from '@lockstep/contracts'

const isRole = (name: string): name is keyof typeof roles => Object.hasOwn(roles, name)

/** What a role lets do; of an unknown one nothing. */
export const rightsOf = (role: string): string[] => (isRole(role) ? [...roles[role]] : [])

/** The rights of a role that there is; throws `invalid` naming one that there isn't. */
export function requireRole(role: string): string[] {
  if (!isRole(role))
    throw new AppError(
      'invalid',
      `"role" is "${role.slice(0, 64)}"; there are ${Object.keys(roles).join(', ')}`,
    )
  return rightsOf(role)
}
