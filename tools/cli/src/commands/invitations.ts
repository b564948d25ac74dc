import { limitOption } from '../options.ts'
import { atMost, type OpenSession, type Program } from '../session.ts'

export function addInvitations(program: Program, open: OpenSession): void {
  const invitations = program
    .command('invitations')
    .description('Invites people to the account, and says what became of it')
  invitations
    .command('list')
    .addOption(limitOption())
    .action(async ({ limit }) => {
      const { api, out } = open()
      await out.many(atMost(api.each.listInvitations(), limit), [
        ['id', (row) => row.id],
        ['e-mail', (row) => row.email],
        ['role', (row) => row.role],
        ['mailed', (row) => row.mailed_at ?? row.mail_error],
        ['accepted', (row) => row.accepted_at],
        ['ends', (row) => row.withdrawn_at ?? row.expires_at],
      ])
    })
  invitations
    .command('create')
    .description('Invites somebody; the link is shown this once')
    .requiredOption('--email <email>')
    .requiredOption('--role <role>', 'such as viewer, or one of your own')
    .action(async ({ email, role }) => {
      const { api, out } = open()
      const { invitation, link } = await api.createInvitation({ body: { email, role } })
      out.one({ ...invitation, link })
    })
  invitations
    .command('withdraw')
    .description('Ends an invitation')
    .argument('<id>')
    .action(async (id) => {
      const { api, out } = open()
      out.one(await api.withdrawInvitation({ id }))
    })
}
