import type { Operations } from '@lockstep/client'
import { several } from '../options.ts'
import { each, type OpenSession, type Program } from '../session.ts'

type Rights = Operations['createRole']['input']['body']['rights']

export function addRoles(program: Program, open: OpenSession): void {
  const roles = program
    .command('roles')
    .description('Roles of your own, beside those of every account')
  roles.command('list').action(async () => {
    const { api, out } = open()
    const { built_in, roles } = await api.listRoles()
    await out.many(each([...built_in.map((role) => ({ id: null, ...role })), ...roles]), [
      ['id', (row) => row.id],
      ['name', (row) => row.name],
      ['rights', (row) => row.rights.join(', ')],
    ])
  })
  roles
    .command('create')
    .requiredOption('--name <name>')
    .requiredOption('--right <right>', 'what it may do; may be given again', several)
    .action(async ({ name, right }) => {
      const { api, out } = open()
      out.one(await api.createRole({ body: { name, rights: right as unknown as Rights } }))
    })
  roles
    .command('update')
    .description('Another name, or other rights, which those who have it have within a second')
    .argument('<id>')
    .option('--name <name>')
    .option('--right <right>', 'all that it may do then; may be given again', several)
    .action(async (id, { name, right }) => {
      const { api, out } = open()
      out.one(await api.updateRole({ id, body: { name, rights: right as unknown as Rights } }))
    })
  roles
    .command('delete')
    .description('Deletes a role that nobody has')
    .argument('<id>')
    .action(async (id) => {
      const { api, out } = open()
      out.one(await api.deleteRole({ id }))
    })
}
