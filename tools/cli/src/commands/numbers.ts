import { CliError } from '../errors.ts'
import { limitOption } from '../options.ts'
import { atMost, type OpenSession, type Program, watch } from '../session.ts'

export function addConnections(program: Program, open: OpenSession): void {
  const connections = program.command('connections').description('Looks at the connected numbers')
  connections
    .command('list')
    .addOption(limitOption())
    .action(async ({ limit }) => {
      const { api, out } = open()
      await out.many(atMost(api.each.listConnections(), limit), [
        ['id', (row) => row.id],
        ['number', (row) => row.display_phone_number],
        ['name', (row) => row.name],
        ['per minute', (row) => row.per_minute],
        ['quality', (row) => row.quality],
        ['health', (row) => row.health_reason || row.health],
      ])
    })
}

export function addTemplates(program: Program, open: OpenSession): void {
  const templates = program
    .command('templates')
    .description('Looks at templates, and fetches them from Meta')
  templates
    .command('list')
    .option('--connection <id>', 'only those of this number')
    .addOption(limitOption())
    .action(async ({ connection, limit }) => {
      const { api, out } = open()
      await out.many(atMost(api.each.listTemplates({ connection_id: connection }), limit), [
        ['name', (row) => row.name],
        ['language', (row) => row.language],
        ['category', (row) => row.category],
        ['status', (row) => row.status],
        ['quality', (row) => row.quality],
      ])
    })
  templates
    .command('sync')
    .description('Fetches the templates of a number from Meta, and waits for the end')
    .argument('<connection>')
    .action(async (connection) => {
      const { api, out } = open()
      const { id } = await api.startTemplateSync({ id: connection })
      const isOver = ({ state }: { state: string }) => state === 'done' || state === 'failed'
      const done = await watch(
        () => api.getTemplateSync({ id }),
        isOver,
        () => {},
      )
      out.one(done)
      if (done.state === 'failed') throw new CliError(`The sync failed: ${done.failure}`)
    })
}
