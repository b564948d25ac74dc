import { createWorld, testInstallation, testPassword, type World } from '@lockstep/testing'
import { Migration } from '@mikro-orm/migrations'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type MigrationList, migrate, ownerRole, type Provision, provision } from '../src/index.ts'

const stack = new AsyncDisposableStack()
let world: World
let ours: Provision

beforeAll(async () => {
  world = stack.use(await createWorld())
  ours = {
    adminUrl: world.adminUrl,
    database: new URL(world.adminUrl).pathname.slice(1),
    installation: testInstallation,
    ownerPassword: testPassword,
    passwords: { accounts: testPassword, api: testPassword },
  }
})
afterAll(() => stack.disposeAsync())

const passwords = () => world.sql('select rolname, rolpassword from pg_authid order by rolname')

test("another installation's server is refused, and no password of it changes", async () => {
  const before = await passwords()
  const theirs = {
    ...ours,
    installation: 'another',
    ownerPassword: 'other',
    passwords: { accounts: 'other', api: 'other' },
  }
  await expect(provision(theirs)).rejects.toThrow(
    /another installation's: it has the role lockstep_owner of installation of the tests/,
  )
  expect(await passwords()).toEqual(before)
  await provision(ours)
  expect((await passwords()).map((row) => row.rolname)).toEqual(before.map((row) => row.rolname))
})

test('code that does not know a migration which has run refuses the database and runs none of its own', async () => {
  const owner = new URL(world.adminUrl)
  owner.username = ownerRole
  owner.password = testPassword
  class Later extends Migration {
    override up(): void {
      this.addSql('create table of_later_code (id integer)')
    }
  }
  const ran = await world.sql<{ name: string }>('select name from accounts.migrations order by id')
  const known: MigrationList = ran.map(({ name }) => ({ name, class: Later }))
  const older = known.slice(0, -1)
  await expect(
    migrate(owner.toString(), 'accounts', [...older, { name: 'Sideways', class: Later }]),
  ).rejects.toThrow(
    new RegExp(`newer than this code: accounts has run the migrations ${known.at(-1)!.name}`),
  )
  expect(await world.sql(`select to_regclass('accounts.of_later_code') as made`)).toEqual([
    { made: null },
  ])
  expect(await migrate(owner.toString(), 'accounts', known)).toEqual([])
})
