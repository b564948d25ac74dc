import { randomUUID } from 'node:crypto'
import { until } from '@lockstep/testing'
import { pathGuard } from './path-guard.ts'

interface Account {
  accountId: string
}

/** Feeds of two services, whose lanes are worked on side by side. */
const sources = ['campaigns', 'contacts'] as const

/** Two services tell events of one account at the same time. */
export const eventPositions = pathGuard<Account>({
  name: 'event positions',
  work: {
    slow: [{ table: 'events.events', on: 'insert', seconds: 0.3 }],
    async prepare({ sql }) {
      const accountId = randomUUID()
      await sql('insert into events.event_positions (account_id) values ($1)', [accountId])
      return { accountId }
    },
    async collide({ sql, go }, { accountId }) {
      const told = JSON.stringify([{ kind: 'campaign.state', subjectId: 'a', body: {} }])
      for (const source of sources)
        await sql(
          `insert into ${source}.feed_open (lane, key, account_id, body)
           values ($1, $2::text, $2::text::uuid, convert_to($3, 'UTF8'))`,
          [`events.${source}`, accountId, told],
        )
      await Promise.all(sources.map((source) => go(`events.${source}`, accountId)))
      await until(async () => {
        const open = sources
          .map((source) => `select key from ${source}.feed_open`)
          .join(' union all ')
        const left = await sql(`select from (${open}) entries where key = $1`, [accountId])
        return left.length === 0
      })
    },
    async conflicts({ sql }, { accountId }) {
      const rows = await sql<{ id: string }>(
        'select id::text from events.events where account_id = $1 order by id',
        [accountId],
      )
      const ids = rows.map(({ id }) => id).join(', ')
      return ids === '1, 2' ? [] : [`the ids of two events are ${ids || 'none'}`]
    },
  },
  taken: {
    is: 'who gives ids to events of an account locks its position until the commit',
    statements: [
      { in: 'select from event_positions', replace: 'order by account_id for update', by: '' },
    ],
  },
  beside: {},
  wrong: 'two events have one id, and a follower who has seen one never sees the other',
})
