import { AppError } from '@lockstep/contracts'
import { createWorld, openProxy, until, type World } from '@lockstep/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  type Database,
  databaseTrouble,
  databaseUrl,
  isDatabaseUnavailable,
  openDatabase,
  query,
  queryOne,
  RunAgain,
  sql,
  sqlState,
  type Tx,
  withClient,
} from '../src/index.ts'

const accountId = '0198c000-0000-7000-8000-000000000001'
const poolSize = 4
const stack = new AsyncDisposableStack()
let world: World
let db: Database

beforeAll(async () => {
  world = stack.use(await createWorld())
  await world.sql(
    'create table accounts.scratch (id integer primary key, n integer not null default 0)',
  )
  await world.sql('grant all on accounts.scratch to accounts')
  await world.sql('insert into accounts.scratch (id) values (1), (2)')
  db = stack.use(
    await openDatabase({ url: world.roleUrl('accounts'), schema: 'accounts', poolSize }),
  )
})
afterAll(() => stack.disposeAsync())

const bump = (tx: Tx, id: number) => query(tx, sql`update scratch set n = n + 1 where id = ${id}`)
const total = async () => Number((await world.sql('select sum(n) from accounts.scratch'))[0]!.sum)

/** Where two transactions wait for each other; later ones pass. */
function meeting(): () => Promise<void> {
  let here = 0
  const { promise, resolve } = Promise.withResolvers<void>()
  return () => {
    if (++here === 2) resolve()
    return promise
  }
}

test('bigint arrives as text, a time as Date, bytes as Buffer', async () => {
  const row = await db.system((tx) =>
    queryOne(
      tx,
      sql`select 9007199254740993::bigint as big, '2026-01-02T03:04:05.678Z'::timestamptz as at, '\\x00ff'::bytea as bytes,
                            date '2026-01-02' as day, null::text as nothing`,
    ),
  )
  expect(row).toEqual({
    big: '9007199254740993',
    at: new Date('2026-01-02T03:04:05.678Z'),
    bytes: Buffer.from([0, 255]),
    day: '2026-01-02',
    nothing: null,
  })
})

test('arrays unnest to rows as they are: NULLs, quotes, backslashes, commas and raw bytes', async () => {
  const texts = ['plain', null, '', 'null', '{a,"b"}', 'back\\slash', 'line\nbreak', '😀']
  const bytes = [
    Buffer.from([0, 1, 255]),
    null,
    Buffer.alloc(0),
    Buffer.from('\\x'),
    ...Array(4).fill(Buffer.from('a')),
  ]
  const times = [new Date(0), null, ...Array(6).fill(new Date(1_767_225_845_678))]
  const rows = await db.system((tx) =>
    query(
      tx,
      sql`select t as text, b as bytes, m as at
                  from unnest(${texts}::text[], ${bytes}::bytea[], ${times}::timestamptz[]) with ordinality v(t, b, m, n) order by n`,
    ),
  )
  expect(rows).toEqual(texts.map((text, i) => ({ text, bytes: bytes[i], at: times[i] })))
})

test('two transactions that deadlock both succeed, each with its effect once', async () => {
  const before = await total()
  const meet = meeting()
  let runs = 0
  const crosswise = (first: number, second: number) =>
    db.system(async (tx) => {
      runs++
      await bump(tx, first)
      await meet()
      await bump(tx, second)
    })
  await Promise.all([crosswise(1, 2), crosswise(2, 1)])
  expect(runs).toBeGreaterThan(2)
  expect(await total()).toBe(before + 4)
})

test('what collides every time is given up as busy after three runs', async () => {
  let runs = 0
  const failing = db.system(async (tx) => {
    runs++
    await query(tx, sql`do $$ begin raise exception 'collided' using errcode = '40001'; end $$`)
  })
  await expect(failing).rejects.toMatchObject({ failure: 'busy', cause: { code: '40001' } })
  expect(runs).toBe(3)
})

test('a wake-up is sent after the commit only: not on a rollback, and once where it took two runs', async () => {
  const woken: string[] = []
  const rolledBack = db.system(async (tx) => {
    tx.afterCommit(() => woken.push('rolled back'))
    throw new AppError('conflict', 'no')
  })
  await expect(rolledBack).rejects.toThrow('no')
  let runs = 0
  await db.system(async (tx) => {
    tx.afterCommit(() => woken.push('committed'))
    if (++runs === 1)
      await query(tx, sql`do $$ begin raise exception 'collided' using errcode = '40P01'; end $$`)
  })
  expect(woken).toEqual(['committed'])
})

test('a signal that fires before the commit rolls everything back and its reason is thrown', async () => {
  const before = await total()
  const lost = new AbortController()
  const reason = new AppError('busy', 'the lock was lost')
  const work = db.system(
    async (tx) => {
      await bump(tx, 1)
      lost.abort(reason)
    },
    { signal: lost.signal },
  )
  await expect(work).rejects.toBe(reason)
  expect(await total()).toBe(before)
})

test('after a signal no further statement begins', async () => {
  const lost = new AbortController()
  const reason = new AppError('busy', 'the lock was lost')
  let second = false
  const work = db.system(
    async (tx) => {
      lost.abort(reason)
      await bump(tx, 1)
      second = true
    },
    { signal: lost.signal },
  )
  await expect(work).rejects.toBe(reason)
  expect(second).toBe(false)
})

test('a bound is on each statement: a long transaction of short ones lives, a stuck one is cut off as too slow, which is not away', async () => {
  const short = { statementTimeoutMs: 300 }
  await db.system(async (tx) => {
    for (let i = 0; i < 4; i++) await query(tx, sql`select pg_sleep(0.1)`)
  }, short)
  const stuck = db.system((tx) => query(tx, sql`select pg_sleep(20)`), short)
  await expect(stuck).rejects.toMatchObject({ failure: 'timeout', cause: { code: '57014' } })
  expect(
    await db.system((tx) => queryOne(tx, sql`select current_setting('statement_timeout') as ms`)),
  ).toEqual({ ms: '1min' })
})

test('a repeatable read sees one snapshot', async () => {
  await db.system(
    async (tx) => {
      const n = () => queryOne(tx, sql`select n from scratch where id = 1`)
      const first = await n()
      await db.system((other) => bump(other, 1))
      expect(await n()).toEqual(first)
    },
    { isolation: 'repeatable read' },
  )
})

test('connections killed while idle or at work fail as busy at most; the process goes on and no place in the pool is lost', async () => {
  await Promise.all([1, 2, 3].map(() => db.system((tx) => query(tx, sql`select pg_sleep(0.02)`))))
  await world.killBackends()
  await until(() => db.ping())
  const before = await total()
  let kills = 0
  const killed = () =>
    db.system(async (tx) => {
      await bump(tx, 1)
      await world.killBackends()
      kills++
      await bump(tx, 2)
    })
  while (kills <= poolSize) await expect(killed()).rejects.toMatchObject({ failure: 'busy' })
  await until(() => db.system((tx) => bump(tx, 1)))
  expect(await total()).toBe(before + 1)
})

test('a unique key that is broken is told from a database that is away', async () => {
  const twice = db.system((tx) => query(tx, sql`insert into scratch (id) values (1)`))
  const state = await twice.then(() => undefined, sqlState)
  expect(state).toBe('23505')
})

test.each(['EPIPE', 'ECONNREFUSED', '57P01', '53300', '08006'])(
  '%s means that the database is away, however deep it is wrapped',
  (code) => {
    const error = Object.assign(new Error('x'), { code })
    expect(
      isDatabaseUnavailable(new Error('query failed', { cause: new AggregateError([error]) })),
    ).toBe(true)
    expect(isDatabaseUnavailable(error)).toBe(true)
  },
)

test.each([
  ['08006', 'away'],
  ['53300', 'away'],
  ['57P01', 'away'],
  ['ECONNRESET', 'away'],
  ['40001', 'collided'],
  ['40P01', 'collided'],
  ['55P03', 'collided'],
  ['57014', 'too_slow'],
  ['23505', null],
])(
  'the trouble of %s is %s, and only away and collided mean that the same work succeeds later',
  (code, trouble) => {
    const error = new Error('query failed', { cause: Object.assign(new Error('x'), { code }) })
    expect(databaseTrouble(error)).toBe(trouble)
    expect(isDatabaseUnavailable(error)).toBe(trouble === 'away' || trouble === 'collided')
  },
)

test('a lock wait past its bound is a collision and leaves as busy', async () => {
  await db.system(async (tx) => {
    await bump(tx, 1)
    const waits = db.system(async (other) => {
      await query(other, sql`set local lock_timeout = '50ms'`)
      await bump(other, 1)
    })
    await expect(waits).rejects.toMatchObject({ failure: 'busy', cause: { code: '55P03' } })
  })
})

test('work that asks to be run again gets far more runs than a deadlock, and they count as none', async () => {
  let runs = 0
  expect(
    await db.system(async () => {
      if (++runs < 20) throw new RunAgain('The people were joined meanwhile; try again')
      return runs
    }),
  ).toBe(20)
  const forever = db.system(async () => {
    runs++
    throw new RunAgain('The people were joined meanwhile; try again')
  })
  await expect(forever).rejects.toMatchObject({
    failure: 'busy',
    message: 'The people were joined meanwhile; try again',
  })
  expect(runs).toBe(70)
})

test.each(['23505', '22P05', '42501', 'ENOENT'])('%s is somebody’s fault', (code) => {
  expect(isDatabaseUnavailable(Object.assign(new Error('x'), { code }))).toBe(false)
})

test('ping says whether the server answers, without any work before', async () => {
  await using fresh = await openDatabase({ url: world.roleUrl('accounts'), schema: 'accounts' })
  expect(await fresh.ping()).toBe(true)
  await using away = await openDatabase({ url: 'postgres://a:b@127.0.0.1:1/x', schema: 'accounts' })
  expect(await away.ping()).toBe(false)
  await expect(away.system(async () => 1)).rejects.toMatchObject({ failure: 'busy' })
})

test("a service's role reaches its own schema only, and may run no function of another", async () => {
  for (const statement of [
    'select * from contacts.feed_open',
    'create table accounts.mine (id int)',
    'create table public.mine (id int)',
  ])
    expect(
      await db.system((tx) => query(tx, sql.raw(statement))).then(() => 'allowed', sqlState),
    ).toBe('42501')
  const [granted] = await world.sql<{ n: string }>(
    `select count(*) as n from pg_proc p join pg_namespace s on s.oid = p.pronamespace
     where s.nspname in ('accounts', 'contacts') and has_function_privilege('public', p.oid, 'execute')`,
  )
  expect(granted!.n).toBe('0')
})

test('a tenant transaction without an account is refused before it opens', async () => {
  await expect(db.transaction('', async () => 1)).rejects.toMatchObject({ failure: 'internal' })
  expect(await db.transaction(accountId, async (tx) => tx.accountId)).toBe(accountId)
})

test('another database of the same server and role', () =>
  withClient(databaseUrl(world.adminUrl, 'postgres'), async (client) => {
    expect((await client.query('select current_database() as name')).rows).toEqual([
      { name: 'postgres' },
    ])
  }))

test('closing waits for a connection that is just being opened, and then for nothing', async () => {
  await using proxy = await openProxy(world.roleUrl('accounts'))
  const slow = await openDatabase({ url: proxy.url, schema: 'accounts', poolSize })
  await slow.ping()
  proxy.freeze()
  const asked = [1, 2].map((id) =>
    slow.system((tx) => query(tx, sql`select n from scratch where id = ${id}`)),
  )
  const closed = slow[Symbol.asyncDispose]()
  proxy.thaw()
  expect(await Promise.all(asked)).toHaveLength(2)
  await closed
})
