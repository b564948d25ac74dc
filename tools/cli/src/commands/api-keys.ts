import type { CreatedApiKey } from '@lockstep/client'
import { limitOption, several } from '../options.ts'
import { atMost, type OpenSession, type Program } from '../session.ts'

export function addApiKeys(program: Program, open: OpenSession): void {
  const keys = program.command('api-keys').description('Creates, rotates and withdraws API keys')
  keys
    .command('list')
    .addOption(limitOption())
    .action(async ({ limit }) => {
      const { api, out } = open()
      await out.many(atMost(api.each.listApiKeys(), limit), [
        ['id', (row) => row.id],
        ['name', (row) => row.name],
        ['begins', (row) => row.prefix],
        ['rights', (row) => row.rights.join(', ')],
        ['used', (row) => row.last_used_at],
        ['ends', (row) => row.withdrawn_at ?? row.expires_at],
      ])
    })
  const show = ({ api_key, key }: CreatedApiKey) => ({ ...api_key, key })
  keys
    .command('create')
    .description('Creates a key; its text is shown this once')
    .requiredOption('--name <name>')
    .requiredOption('--right <right>', 'what it may do; may be given again', several)
    .option('--expires-at <time>', 'such as 2027-12-24T18:00:00Z')
    .action(async ({ name, right, expiresAt }) => {
      const { api, out } = open()
      const body = { name, rights: right as '*'[], expires_at: expiresAt }
      out.one(show(await api.createApiKey({ body })))
    })
  keys
    .command('rotate')
    .description('Creates a key in place of this one, which stays good for a day')
    .argument('<id>')
    .action(async (id) => {
      const { api, out } = open()
      out.one(show(await api.rotateApiKey({ id })))
    })
  keys
    .command('withdraw')
    .description('Ends a key within a second')
    .argument('<id>')
    .action(async (id) => {
      const { api, out } = open()
      out.one(await api.withdrawApiKey({ id }))
    })
}
