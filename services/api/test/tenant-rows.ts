import type { World } from '@lockstep/testing'

/** Tables that are not compared, each with its reason. */
const notCompared: Readonly<Record<string, string>> = {
  'api.idempotency_keys': "holds requests' own keys",
  'webhook_gateway.webhook_part_counts': 'names no tenant, and a timer adds its rows up',
}

/** Compared in one account only. */
const recorded = 'accounts.audit_entries'

interface Table {
  name: string
  hasAccount: boolean
}

/** What the tables of all schemas hold, as a digest for each table. */
export async function openDigests({ sql }: World) {
  const all = await sql<Table>(`
    select format('%I.%I', n.nspname, c.relname) as name, exists (
      select 1 from pg_attribute a
      where a.attrelid = c.oid and a.attname = 'account_id' and not a.attisdropped) as "hasAccount"
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and not c.relispartition
      and n.nspname not in ('pg_catalog', 'information_schema')
    order by 1`)
  const compared = all.filter(({ name }) => !(name in notCompared))

  /** Of every row, or of those that name one account. */
  return async function digests(accountId?: string): Promise<Record<string, string>> {
    // A refused order is recorded in the account of who gave it.
    const tables = compared.filter(({ name, hasAccount }) =>
      accountId ? hasAccount : name !== recorded,
    )
    const each = tables.map(({ name }) => {
      const rows = accountId ? `where account_id = '${accountId}'` : ''
      // That a key was used is noted of every request.
      const row = `md5((to_jsonb(t) - 'last_used_at')::text)`
      return `select '${name}' as name, coalesce(md5(string_agg(${row}, '' order by ${row})), '') as digest from ${name} t ${rows}`
    })
    const found = await sql<{ name: string; digest: string }>(each.join(' union all '))
    return Object.fromEntries(found.map(({ name, digest }) => [name, digest]))
  }
}
