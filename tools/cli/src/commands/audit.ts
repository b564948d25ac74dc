import { createWriteStream } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Option } from '@commander-js/extra-typings'
import { limitOption } from '../options.ts'
import { atMost, type OpenSession, type Program } from '../session.ts'

export function addAudit(program: Program, open: OpenSession): void {
  const audit = program
    .command('audit')
    .alias('audit-log')
    .description('Who did what to what, when and from where')
  audit
    .command('list', { isDefault: true })
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
  audit
    .command('export')
    .description('Writes all of it to a file or to stdout, however much it is')
    .option('--action <action>', 'only this one')
    .option('--actor <id>', 'only what this member or key did')
    .option('--target <id>', 'only what was done to this')
    .option('--from <time>', 'such as 2027-12-24T18:00:00Z')
    .option('--until <time>')
    .addOption(new Option('--format <format>').choices(['csv', 'ndjson']).default('csv'))
    .option('--output <file>', 'stdout by default')
    .action(async ({ action, actor, target, from, until, format, output }) => {
      const { api, out } = open()
      const asked = { action, actor_id: actor, target_id: target, from, until }
      const type = format === 'csv' ? 'text/csv' : 'application/x-ndjson'
      const bytes = Readable.from(api.download('listAuditLog', asked, { type }))
      if (output) await pipeline(bytes, createWriteStream(output, { flags: 'wx', mode: 0o600 }))
      else await pipeline(bytes, process.stdout, { end: false })
      if (output) out.note(`Written to ${output}`)
    })
}
