import { limitOption } from '../options.ts'
import { atMost, type OpenSession, type Program } from '../session.ts'

export function addDeadLetters(program: Program, open: OpenSession): void {
  const letters = program
    .command('dead-letters')
    .description('Work that failed three times, and waits for you')
  letters
    .command('list')
    .option('--lane <lane>', 'only of this one, such as contacts.import')
    .addOption(limitOption())
    .action(async ({ lane, limit }) => {
      const { api, out } = open()
      const asked = lane ? { lane: lane as never } : {}
      await out.many(atMost(api.each.listDeadLetters(asked), limit), [
        ['lane', (row) => row.lane],
        ['id', (row) => row.id],
        ['about', (row) => row.key],
        ['since', (row) => row.dead_at],
        ['reason', (row) => row.reason],
      ])
    })
  letters
    .command('replay')
    .description('Has it tried again')
    .argument('<lane>')
    .argument('<ids...>')
    .action(async (lane, ids) => {
      const { api, out } = open()
      out.one(await api.replayDeadLetters({ body: { lane: lane as never, ids } }))
    })
  letters
    .command('dismiss')
    .description('Gives it up for good: what it held has no effect')
    .argument('<lane>')
    .argument('<ids...>')
    .action(async (lane, ids) => {
      const { api, out } = open()
      out.one(await api.dismissDeadLetters({ body: { lane: lane as never, ids } }))
    })
}
