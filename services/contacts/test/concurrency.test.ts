import { connect } from '@lockstep/rpc'
import { ContactsDefinition } from '@lockstep/rpc/gen/contacts'
import { planPorts } from '@lockstep/system'
import { until } from '@lockstep/testing'
import { expect, test } from 'vitest'
import { ended, file, inbound, prepareContacts } from './fixtures.ts'

test('the same people written by two processes and an import at once are one contact each, without a deadlock', {
  timeout: 60_000,
}, async () => {
  await using system = await prepareContacts()
  const ports = await planPorts()
  {
    await using _other = await system.spawn({ ...ports, campaigns: ports.contacts })
    await using stack = new AsyncDisposableStack()
    stack.use(await system.start())
    const there = {
      contacts: stack.use(connect(ContactsDefinition, `127.0.0.1:${ports.contacts.grpc}`)),
      call: system.call,
    }
    const people = Array.from({ length: 2_000 }, (_, i) => `4915${100_000_000 + i}`)
    const stops = (order: string[]) =>
      order.map((waId) => ({ waId, userId: `DE.${waId}`, text: 'stop', wamid: `w${waId}` }))
    for (const process of [system, there])
      await until(() =>
        inbound({ contacts: process.contacts, call: system.call }, { waId: '4915999999999' }),
      )

    // Several waves of new people: each is another chance for transactions to claim the same identities at the same moment.
    for (let at = 0; at < people.length; at += 400) {
      const wave = people.slice(at, at + 400)
      const { id } = await system.contacts.createImport(
        file(`phone\n${wave.toReversed().join('\n')}\n`),
        system.call,
      )
      const rounds = Array.from({ length: 6 }, (_, i) =>
        inbound(i % 2 ? there : system, ...stops(wave.toSorted(() => Math.random() - 0.5))),
      )
      const answers = await Promise.all(rounds)
      expect(await ended(system, id)).toMatchObject({ state: 'done', rows: 400, rejected: 0 })
      expect(new Set(answers.flat()).size).toBe(400)
    }
  }
  const [rows] = await system.world.sql(
    `select count(*)::int as contacts, count(distinct wa_id)::int as numbers, count(distinct user_id)::int as users, bool_and(opted_out) as stopped
     from contacts.contacts where phone <> '4915999999999'`,
  )
  expect(rows).toEqual({ contacts: 2_000, numbers: 2_000, users: 2_000, stopped: true })
  // Both services have closed their connections, and with that their statistics are complete.
  expect(
    await system.world.sql(
      'select deadlocks::int from pg_stat_database where datname = current_database()',
    ),
  ).toEqual([{ deadlocks: 0 }])
})

test('people who turn out to be one, in any order and several calls at once, end as one contact each, without a deadlock', async () => {
  await using system = await prepareContacts()
  const people = Array.from({ length: 60 }, (_, i) => ({
    was: `4916${100_000_000 + i}`,
    is: `4916${200_000_000 + i}`,
    userId: `DE.p${i}`,
  }))
  {
    await using _service = await system.start()
    await until(() => inbound(system, { waId: '4916999999999' }))
    const elements = people.flatMap(({ was, is, userId }) => [
      { waId: was, text: 'stop', wamid: `w${was}`, atMs: 1_000 },
      { userId, atMs: 2_000 },
      { waId: was, userId, atMs: 3_000 },
      { waId: is, movedFromWaId: was, silent: true, atMs: 4_000 },
      { waId: is, atMs: 5_000 },
    ])
    const batches = Array.from({ length: 4 }, () =>
      elements.toSorted(() => Math.random() - 0.5),
    ).flatMap((order) => Array.from({ length: 6 }, (_, i) => order.slice(i * 50, i * 50 + 50)))
    await Promise.all(batches.map((batch) => inbound(system, ...batch)))
  }
  const live = await system.world.sql(
    `select c.phone, c.wa_id, c.user_id, c.opted_out, count(*)::int as identities from contacts.contacts c join contacts.identities i on i.contact_id = c.id
     where merged_into is null and phone <> '4916999999999' group by c.id order by c.phone`,
  )
  expect(live).toEqual(
    people.map(({ is, userId }) => ({
      phone: is,
      wa_id: is,
      user_id: userId,
      opted_out: true,
      identities: 3,
    })),
  )
  expect(
    await system.world.sql(
      'select deadlocks::int from pg_stat_database where datname = current_database()',
    ),
  ).toEqual([{ deadlocks: 0 }])
})
