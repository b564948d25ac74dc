import { AppError } from '@lockstep/contracts'
import { query, queryOne, type RawBuilder, sql, type Tx } from '@lockstep/database'

/** An account's own role. */
export interface RoleRow {
  id: string
  name: string
  rights: string[]
  createdAt: Date
}

/** A role that somebody has: one of the table of rights, or one of the account's own. */
export interface RoleRef {
  role: string
  roleId?: string | null
  /** Of an own role. */
  ownRights: string[] | null
}

/** What a row keeps of a role. */
export const storedRole = ({ role, roleId }: RoleRef) =>
  roleId ? { named: null, roleId } : { named: role, roleId: null }

/** The columns of a `RoleRef`, of a table that keeps one. */
export function roleColumns(table: 'm' | 'invitations'): RawBuilder<unknown> {
  const of = (column: string) => sql.ref(`${table}.${column}`)
  const own = (column: string) =>
    sql`(select ${sql.ref(`r.${column}`)} from roles r where r.id = ${of('role_id')})`
  return sql`coalesce(${of('role')}, ${own('name')}) as role, ${of('role_id')} as "roleId", ${own('rights')} as "ownRights"`
}

const columns = sql`id, name, rights, created_at as "createdAt"`

/** False when there is one of this name or id. */
export async function insertRole(
  tx: Tx,
  { id, name, rights, createdAt }: RoleRow,
): Promise<boolean> {
  const row = await queryOne(
    tx,
    sql`insert into roles (id, account_id, name, rights, created_at) values (${id}, ${tx.accountId}, ${name}, ${rights}, ${createdAt})
        on conflict do nothing returning id`,
  )
  return row !== undefined
}

export function ownRoles(tx: Tx): Promise<RoleRow[]> {
  return query(
    tx,
    sql`select ${columns} from roles where account_id = ${tx.accountId} order by lower(name)`,
  )
}

export function findRole(tx: Tx, id: string): Promise<RoleRow | undefined> {
  return queryOne(
    tx,
    sql`select ${columns} from roles where account_id = ${tx.accountId} and id = ${id}`,
  )
}

/** The account's role, locked; `not_found` also for another account's. */
export async function lockRole(tx: Tx, id: string): Promise<RoleRow> {
  const row = await queryOne<RoleRow>(
    tx,
    sql`select ${columns} from roles where account_id = ${tx.accountId} and id = ${id} for update`,
  )
  if (!row) throw new AppError('not_found', `There is no role ${id}`)
  return row
}

/** The account's role of a name, which stays as it is until the transaction ends. */
export function holdRoleNamed(tx: Tx, name: string): Promise<RoleRow | undefined> {
  return queryOne(
    tx,
    sql`select ${columns} from roles where account_id = ${tx.accountId} and lower(name) = lower(${name}) for share`,
  )
}

/** False when another role has the name. */
export async function updateRole(
  tx: Tx,
  { id, name, rights }: Pick<RoleRow, 'id' | 'name' | 'rights'>,
): Promise<boolean> {
  const row = await queryOne(
    tx,
    sql`update roles r set name = ${name}, rights = ${rights}
        where r.account_id = ${tx.accountId} and r.id = ${id}
          and not exists (select 1 from roles o where o.account_id = ${tx.accountId} and lower(o.name) = lower(${name}) and o.id <> r.id)
        returning r.id`,
  )
  return row !== undefined
}

/** E-mails of some members and open invitations that have a role, and of how many in all. */
export async function usersOfRole(
  tx: Tx,
  id: string,
  at: Date,
  most: number,
): Promise<{ emails: string[]; count: number }> {
  const rows = await query<{ email: string; count: number }>(
    tx,
    sql`select email, count(*) over ()::int as count from (
          select p.email, 0 as place from members m join people p on p.id = m.person_id
            where m.account_id = ${tx.accountId} and m.role_id = ${id}
          union all select i.email, 1 from invitations i
            where i.account_id = ${tx.accountId} and i.role_id = ${id} and i.accepted_at is null and i.withdrawn_at is null and i.expires_at > ${at}) u
        order by place, email limit ${most}`,
  )
  return { emails: rows.map(({ email }) => email), count: rows[0]?.count ?? 0 }
}

/** Takes a role away that nobody has; invitations that are over keep its name. */
export async function deleteRole(tx: Tx, { id, name }: RoleRow): Promise<void> {
  await sql`update invitations set role = ${name}, role_id = null
    where id in (select id from invitations where account_id = ${tx.accountId} and role_id = ${id} order by id for update)`.execute(
    tx.sql,
  )
  await sql`delete from roles where account_id = ${tx.accountId} and id = ${id}`.execute(tx.sql)
}
