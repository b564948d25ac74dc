import { limitOption } from '../options.ts'
import { atMost, type OpenSession, type Program } from '../session.ts'

export function addAudit(program: Program, open: OpenSession): void {
  program
    .command('audit')
    .description('Lists who did what to what, newest first; --json shows it before and after')
    .option('--action <action>', 'only this one')
    .option('--actor <id>', 'only what this member or key did')
    .option('--target <id>', 'only what was done to this')
    .option('--from <time>', 'such as 2027-12-24T18:00:00Z')
    .option('--until <time>')
    .addOption(limitOption())
    .action(async ({ action, actor, target, from, until, limit }) => {
      const { api, out } = open()
      const asked = { action, actor_id: actor, target_id: target, from, until }
      await out.many(atMost(api.each.listAuditLog(asked), limit), [
        ['at', (row) => row.at],
        ['who', (row) => row.actor_name ?? row.actor_id ?? row.actor_kind],
        ['from', (row) => row.address],
        ['did', (row) => row.action],
        ['to', (row) => [row.target_kind, row.target_id].filter(Boolean).join(' ')],
        ['outcome', (row) => row.outcome],
      ])
    })
}
