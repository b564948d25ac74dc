import { AppError, type ServiceName } from '@lockstep/contracts'
import { type Migration, Migrator } from '@mikro-orm/migrations'
import { MikroORM } from '@mikro-orm/postgresql'
import { CompiledQuery, type DatabaseConnection } from 'kysely'
import { Client } from 'pg'

/** A service's schema and role are named after it. */
export const schemaOf = (service: ServiceName): string => service.replaceAll('-', '_')

/** The role that owns every schema and runs the migrations. */
export const ownerRole = 'lockstep_owner'

/** Of the role and not of a connection, for a pooler mixes those up. */
const roleSettings = {
  service: {
    jit: 'off', // short statements gain nothing by it
    lock_timeout: '10s',
    statement_timeout: '60s',
    idle_in_transaction_session_timeout: '60s',
    random_page_cost: '1.1', // no disk that turns; with 4, whole tables are read for a hundred rows
    // A plan that was made while a table was empty would read all of it later, so an index is used
    // from the first row on.
    enable_seqscan: 'off',
  },
  owner: { lock_timeout: '10s' },
}

/** What only one service's connections are told. */
const settingsOf: Partial<Record<ServiceName, Record<string, string>>> = {
  // Pages of a campaign's list are read in the order of an index; whatever a list has on average, a
  // bitmap reads all of it first.
  campaigns: { enable_bitmapscan: 'off' },
}

export type MigrationList = {
  name: string
  class: new (...args: ConstructorParameters<typeof Migration>) => Migration
}[]

export interface Provision {
  /** URL of a role that may create roles and databases. */
  adminUrl: string
  database: string
  /** A server has one installation, for roles are the whole server's. */
  installation: string
  ownerPassword: string
  /** Password of each service's role. */
  passwords: Partial<Record<ServiceName, string>>
}

/** Creates the database, its owner, and a schema and role a service. It may be repeated. */
export async function provision(options: Provision): Promise<void> {
  await withClient(options.adminUrl, async (client) => {
    await claimServer(client, options.installation)
    await ensureRole(client, ownerRole, options.ownerPassword, roleSettings.owner)
    for (const [service, password] of Object.entries(options.passwords)) {
      const schema = schemaOf(service as ServiceName)
      await ensureRole(client, schema, password, {
        ...roleSettings.service,
        ...settingsOf[service as ServiceName],
        search_path: `${schema}, pg_temp`,
      })
    }
    const found = await client.query('select 1 from pg_database where datname = $1', [
      options.database,
    ])
    if (found.rowCount === 0)
      await client.query(
        `create database ${client.escapeIdentifier(options.database)} owner ${ownerRole} template template0 encoding 'UTF8'`,
      )
  })
  await withClient(databaseUrl(options.adminUrl, options.database), async (client) => {
    await client.query('revoke all on schema public from public')
    // Not per schema: there PostgreSQL only ever adds to this default, by which everybody may run
    // every function.
    await client.query(
      `alter default privileges for role ${ownerRole} revoke execute on functions from public`,
    )
    for (const service of Object.keys(options.passwords)) {
      const schema = schemaOf(service as ServiceName)
      await client.query(`create schema if not exists ${schema} authorization ${ownerRole}`)
      await client.query(`grant usage on schema ${schema} to ${schema}`)
      const defaults = `alter default privileges for role ${ownerRole} in schema ${schema}`
      await client.query(`${defaults} grant select, insert, update, delete on tables to ${schema}`)
      await client.query(`${defaults} grant usage on sequences to ${schema}`)
      await client.query(`${defaults} grant execute on functions to ${schema}`)
    }
  })
}

/** Marks the server as an installation's, with its first role; throws if it is another's. */
async function claimServer(client: Client, installation: string): Promise<void> {
  await client.query('begin')
  await client.query(`select pg_advisory_xact_lock(hashtext('lockstep installation'))`)
  const { rows } = await client.query<{ mark: string | null }>(
    `select shobj_description(oid, 'pg_authid') as mark from pg_roles where rolname = $1`,
    [ownerRole],
  )
  const mark = `installation ${installation}`
  if (rows[0] && rows[0].mark !== mark)
    throw new AppError(
      'conflict',
      `The PostgreSQL server at ${client.host}:${client.port} is another installation's: it has the role ${ownerRole} ${rows[0].mark ? `of ${rows[0].mark}, and this is ${installation}` : 'without a mark'}. Nothing was changed. Use the folder and keys that it was set up with, or another server; a development server of your own begins anew with npm start -- --fresh`,
    )
  if (!rows[0]) {
    await client.query(`create role ${ownerRole}`)
    await client.query(`comment on role ${ownerRole} is ${client.escapeLiteral(mark)}`)
  }
  await client.query('commit')
}

async function ensureRole(
  client: Client,
  role: string,
  password: string,
  settings: Record<string, string>,
): Promise<void> {
  const found = await client.query('select 1 from pg_roles where rolname = $1', [role])
  await client.query(
    `${found.rowCount === 0 ? 'create' : 'alter'} role ${role} login nosuperuser nobypassrls password ${client.escapeLiteral(password)}`,
  )
  // A list of names is a list of words; quoted, it would be one name.
  for (const [name, value] of Object.entries(settings))
    await client.query(
      `alter role ${role} set ${name} = ${name === 'search_path' ? value : client.escapeLiteral(value)}`,
    )
}

/** Runs pending migrations, one process at a time; refuses a database newer than this code. */
export function migrate(
  ownerUrl: string,
  service: ServiceName,
  migrations: MigrationList,
): Promise<string[]> {
  return withClient(ownerUrl, async (client) => {
    await client.query('select pg_advisory_lock(hashtext($1))', [`migrate ${service}`]) // ends with the connection
    await refuseNewer(client, service, migrations)
    return up(ownerUrl, service, migrations)
  })
}

async function refuseNewer(
  client: Client,
  service: ServiceName,
  migrations: MigrationList,
): Promise<void> {
  const table = `${schemaOf(service)}.migrations`
  const { rows } = await client.query<{ is_there: boolean }>(
    'select to_regclass($1) is not null as is_there',
    [table],
  )
  if (!rows[0]!.is_there) return
  const known = migrations.map((migration) => migration.name)
  const unknown = await client.query<{ name: string }>(
    `select name from ${table} where name <> all ($1) order by id`,
    [known],
  )
  if (unknown.rows.length === 0) return
  const names = unknown.rows.map((row) => row.name).join(', ')
  throw new AppError(
    'conflict',
    `The database is newer than this code: ${service} has run the migrations ${names}, which this code does not know. Run the code that made it (fetch the newest, or the branch that has them); a development system begins anew with npm start -- --fresh`,
  )
}

async function up(
  ownerUrl: string,
  service: ServiceName,
  migrations: MigrationList,
): Promise<string[]> {
  const schema = schemaOf(service)
  const orm = await MikroORM.init({
    clientUrl: ownerUrl,
    schema,
    entities: [],
    extensions: [Migrator],
    discovery: { warnWhenNoEntities: false },
    onCreateConnection: async (connection: DatabaseConnection) => {
      await connection.executeQuery(CompiledQuery.raw(`set search_path = ${schema}, pg_temp`))
    },
    // Each in a transaction of its own, so that one that makes an index may have none.
    migrations: {
      migrationsList: migrations,
      tableName: 'migrations',
      snapshot: false,
      silent: true,
      allOrNothing: false,
    },
  } as Parameters<typeof MikroORM.init>[0])
  try {
    const done = await (orm as MikroORM & { migrator: Migrator }).migrator.up()
    return done.map((m) => m.name)
  } catch (error) {
    throw new AppError(
      'internal',
      `Migrations of ${service} failed: ${error instanceof Error ? error.message : error}`,
      { cause: error },
    )
  } finally {
    await orm.close(true)
  }
}

/** The same server and role with another database. */
export function databaseUrl(url: string, database: string): string {
  const changed = new URL(url)
  changed.pathname = `/${database}`
  return changed.toString()
}

/** One connection of its own, closed at the end; for administration and tests. */
export async function withClient<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url })
  client.on('error', () => undefined) // a connection that is cut between two statements: the next one says so
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}
