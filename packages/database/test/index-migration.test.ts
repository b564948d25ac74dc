import { loadMigrations } from '@lockstep/system'
import { createWorld, testPassword, until, type World } from '@lockstep/testing'
import { Migration } from '@mikro-orm/migrations'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { IndexMigration, type MigrationList, migrate, ownerRole, withClient } from '../src/index.ts'

class Letters extends Migration {
  override up(): void {
    this.addSql(
      'create table letters (id integer generated always as identity primary key, stamp integer not null)',
    )
  }
}
class LettersByStamp extends IndexMigration {
  readonly index = 'letters_stamp'
  readonly on = 'on letters (stamp)'
  override readonly unique = true
}
const table = { name: 'Letters', class: Letters }
const index = { name: 'LettersByStamp', class: LettersByStamp }
/** What has run in the world's database already. */
class Earlier extends Migration {
  override up(): void {}
}

const stack = new AsyncDisposableStack()
let world: World
let owner: string
let earlier: MigrationList

beforeAll(async () => {
  world = stack.use(await createWorld())
  const url = new URL(world.adminUrl)
  url.username = ownerRole
  url.password = testPassword
  owner = url.toString()
  const ran = await world.sql<{ name: string }>('select name from accounts.migrations order by id')
  earlier = ran.map(({ name }) => ({ name, class: Earlier }))
})
afterAll(() => stack.disposeAsync())

const isValid = async () => {
  const [row] = await world.sql<{ valid: boolean }>(
    `select indisvalid as valid from pg_index where indexrelid = 'accounts.letters_stamp'::regclass`,
  )
  return row!.valid
}

test('an index is made without a transaction: others write to the table meanwhile, and what a failed run left is replaced', async () => {
  expect(await migrate(owner, 'accounts', [...earlier, table])).toEqual(['Letters'])
  await world.sql('insert into accounts.letters (stamp) values (1), (1)')
  await expect(migrate(owner, 'accounts', [...earlier, table, index])).rejects.toThrow(
    'could not create unique index',
  )
  expect(await isValid()).toBe(false)

  await world.sql('delete from accounts.letters')
  await withClient(world.adminUrl, async (writer) => {
    await writer.query('begin; insert into accounts.letters (stamp) values (2)')
    const migrated = migrate(owner, 'accounts', [...earlier, table, index])
    await until(async () => {
      const waits =
        await world.sql(`select 1 from pg_stat_activity where query like '%concurrently%' and wait_event_type = 'Lock'
        and datname = current_database() and pid <> pg_backend_pid()`)
      return waits.length > 0
    })
    await world.sql(`set lock_timeout = '2s'; insert into accounts.letters (stamp) values (3)`)
    await writer.query('commit')
    expect(await migrated).toEqual(['LettersByStamp'])
  })
  expect(await isValid()).toBe(true)
  expect(await migrate(owner, 'accounts', [...earlier, table, index])).toEqual([])
})

test('no migration of any service makes an index in a transaction on a table that was there before', async () => {
  for (const [service, list] of Object.entries(await loadMigrations()))
    for (const { name, class: Any } of list) {
      const migration = new Any({} as never, {} as never)
      await migration.up()
      const text = migration.getQueries().join('\n')
      const made = new Set(
        [...text.matchAll(/create table (?:if not exists )?(\w+)/g)].map((match) => match[1]),
      )
      const indexed = [
        ...text.matchAll(
          /create (?:unique )?index (?!concurrently)(?:if not exists )?\w+\s+on (?:only )?(\w+)/g,
        ),
      ].map((match) => match[1]!)
      expect(
        indexed.filter((each) => !made.has(each)),
        `${name} of ${service}: use IndexMigration`,
      ).toEqual([])
    }
})
