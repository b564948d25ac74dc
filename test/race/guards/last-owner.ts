import { everyRight } from '@lockstep/contracts'
import { pathGuard } from './path-guard.ts'

interface Owners {
  accountId: string
  ids: string[]
}

let names = 0

/** Two owners make one another an admin. */
export const lastOwner = pathGuard<Owners>({
  name: 'last owner',
  work: {
    slow: [{ table: 'accounts.members', on: 'update', seconds: 0.3 }],
    async prepare({ system }) {
      const { accounts } = system.clients
      const { id: accountId } = await accounts.createAccount({ name: 'Owners' }, {})
      const join = async () => {
        const email = `owner-${++names}@example.com`
        const asked = { email, role: 'owner', heldRights: [everyRight] }
        const { token } = await accounts.createInvitation(asked, { accountId })
        const person = { token, name: 'Owner', password: 'correct horse battery' }
        return (await accounts.acceptInvitation(person, {})).person!.id
      }
      return { accountId, ids: [await join(), await join()] }
    },
    async collide({ system }, { accountId, ids }) {
      const asked = { role: 'admin', heldRights: [everyRight] }
      await Promise.allSettled(
        ids.map((id) => system.clients.accounts.setMemberRole({ ...asked, id }, { accountId })),
      )
    },
    async conflicts({ sql }, { accountId }) {
      const owners = await sql(
        "select 1 from accounts.members where account_id = $1 and role = 'owner'",
        [accountId],
      )
      return owners.length === 1 ? [] : [`the account has ${owners.length} owners`]
    },
  },
  taken: {
    is: 'who takes an owner away first locks all owners of the account, in the order of their ids',
    statements: [
      { in: 'order by person_id for no key update', replace: ' for no key update', by: '' },
    ],
  },
  beside: {},
  wrong: 'an account has no owner any more, and nobody can give rights in it',
})
