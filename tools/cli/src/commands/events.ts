import { count } from '../options.ts'
import type { OpenSession, Program } from '../session.ts'

export function addEvents(program: Program, open: OpenSession): void {
  const events = program.command('events').description('Follows what happens in the account')
  events
    .command('tail')
    .description('Shows events as they come, and goes on where it was after a lost connection')
    .option('--topic <topic...>', 'only of these; all that you may look at by default')
    .option('--after <id>', 'from the event after this one on, such as the last that you have seen')
    .option('--last <n>', 'ends after so many', count)
    .action(async ({ topic, after, last }) => {
      const { api, out } = open()
      const asked = { ...(topic && { topics: topic.join(',') }), ...(after && { cursor: after }) }
      let left = last ?? Number.POSITIVE_INFINITY
      for await (const one of api.follow(asked)) {
        if (one.kind === 'reset') {
          out.note(`Events before ${one.id} are gone: look at things anew.`)
          continue
        }
        const { id, occurred_at, kind, subject_id, body } = one.event
        out.line(
          one.event,
          `${id}  ${occurred_at}  ${kind}  ${subject_id}  ${JSON.stringify(body)}`,
        )
        if (--left <= 0) return
      }
    })
}
