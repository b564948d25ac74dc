import { sql } from '@lockstep/database'
import { gauge } from '@lockstep/telemetry'
import type { BaseContext } from './context.ts'
import type { Secrets } from './secrets.ts'

/** How many secrets of a table are sealed with a key. */
interface SealedCount {
  table: string
  keyId: number
  secrets: number
}

type Needs = Pick<BaseContext, 'db'>

/** SQL of a function that counts what each key has sealed, in every column that `sealedTables` names. */
export function sealedCountsFunction(
  schema: string,
  sealedTables: Readonly<Record<string, object>>,
): string {
  const columns = Object.entries(sealedTables).flatMap(([table, columnsOf]) =>
    Object.keys(columnsOf).map((column) => `select '${table}', ${column} from ${table}`),
  )
  return `create function sealed_counts() returns table (sealed_table text, key_id integer, secrets bigint)
    language sql stable security definer set search_path = ${schema}, pg_temp
    as $$ select s.name, get_byte(s.sealed, 0), count(*) from (${columns.join(' union all ')}) s (name, sealed)
          where length(s.sealed) > 0 group by 1, 2 $$;`
}

/** Of a service's tables, whose migration has `sealed_counts()`. It reads every row. */
const sealedCounts = ({ db }: Needs): Promise<SealedCount[]> =>
  db.statement(
    sql`select sealed_table as table, key_id as "keyId", secrets::float8 as secrets from sealed_counts() order by 1, 2`,
  )

/** What an operator is told: the counts, and the keys of the ring with the newest first. */
export async function countSecrets(
  ctx: Needs & { secrets: Secrets },
): Promise<{ counts: SealedCount[]; keyIds: number[] }> {
  return { counts: await sealedCounts(ctx), keyIds: ctx.secrets.keyIds }
}

/** A key changes once in years, and counting reads every row. */
const readEveryMs = 10 * 60_000

/** Secrets by the key that sealed them, at /metrics. */
export function measureSealed(ctx: Needs & { config: { service: string } }): Disposable {
  let read: { atMs: number; counts: Promise<SealedCount[]> } | undefined
  const counts = () => {
    const nowMs = performance.now()
    if (!read || nowMs - read.atMs >= readEveryMs) read = { atMs: nowMs, counts: sealedCounts(ctx) }
    return read.counts.catch((error: unknown) => {
      read = undefined
      throw error
    })
  }
  const { service } = ctx.config
  return gauge('lockstep_sealed_secrets', 'Stored secrets by the key that sealed them', async () =>
    (await counts()).map(({ table, keyId, secrets }) => ({
      value: secrets,
      labels: { service, table, key: String(keyId) },
    })),
  )
}
