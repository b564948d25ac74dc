import { limitOption } from '../options.ts'
import { atMost, type OpenSession, type Program } from '../session.ts'

export function addMembers(program: Program, open: OpenSession): void {
  const members = program
    .command('members')
    .description('Says who belongs to the account, and changes it')
  members
    .command('list')
    .addOption(limitOption())
    .action(async ({ limit }) => {
      const { api, out } = open()
      await out.many(atMost(api.each.listMembers(), limit), [
        ['id', (row) => row.id],
        ['e-mail', (row) => row.email],
        ['name', (row) => row.name],
        ['role', (row) => row.role],
        ['second factor', (row) => (row.has_second_factor ? 'yes' : 'no')],
        ['since', (row) => row.joined_at],
      ])
    })
  members
    .command('set-role')
    .description('Gives a member another role, and signs them out')
    .argument('<id>')
    .argument('<role>', 'such as viewer, or one of your own')
    .action(async (id, role) => {
      const { api, out } = open()
      out.one(await api.setMemberRole({ id, body: { role } }))
    })
  members
    .command('remove')
    .description('Takes a person out of the account')
    .argument('<id>')
    .action(async (id) => {
      const { api, out } = open()
      out.one(await api.removeMember({ id }))
    })
  members
    .command('reset-second-factor')
    .description('Takes the second factor of a member away, who has lost it')
    .argument('<id>')
    .action(async (id) => {
      const { api, out } = open()
      out.one(await api.resetSecondFactor({ id }))
    })
}
