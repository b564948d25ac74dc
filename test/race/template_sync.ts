import { demoTemplates } from '@lockstep/meta-simulator'
import type { Tenant } from '@lockstep/testing/system'
import { duplicates, noFence, overlaps, scenario } from './scenario.ts'

/** Several processes read the templates of one connection. */
export const templateSync = scenario<Tenant & { runId?: string }>({
  lock: 'template_sync',
  operation: 'read all templates of a connection',
  guards: {
    lock: { is: 'template_sync:connection:{id}', locks: ['template_sync'] },
    lane: { is: 'templates.sync, one a connection', lanes: ['templates.sync'] },
    fence: { is: 'fence at each page and at the end', statements: noFence },
    rows: {
      is: 'unique (account, WABA, name, language), upsert',
      statements: [
        {
          in: 'insert into templates',
          replace: String.raw`select v\.id, `,
          by: 'select coalesce((select x.id from templates x where (x.name, x.language) = (v.name, v.language) limit 1), v.id), ',
        },
        {
          in: 'insert into templates',
          replace: String.raw`on conflict \(account_id, waba_id, name, language\)`,
          by: 'on conflict (id)',
        },
      ],
      drop: [
        'alter table templates.templates drop constraint templates_account_id_waba_id_name_language_key',
      ],
      restore: [
        'truncate templates.templates',
        'alter table templates.templates add unique (account_id, waba_id, name, language)',
      ],
    },
  },
  slow: [{ table: 'templates.templates', on: 'insert', seconds: 0.15 }],
  async prepare({ system, sql }) {
    const tenant = await system.addTenant()
    await sql('delete from templates.templates where account_id = $1', [tenant.accountId]) // so that the race is about new rows
    return tenant
  },
  async collide({ system, go }, tenant) {
    tenant.runId = (
      await system.clients.templates.startSync({ connectionId: tenant.connectionId }, tenant)
    ).id
    await go('templates.sync', tenant.connectionId)
  },
  async conflicts(race, { accountId, runId }) {
    const total = demoTemplates().length
    const [run] = await race.sql<{ state: string; seen: number; removed: number }>(
      'select * from templates.sync_runs where id = $1',
      [runId],
    )
    const conflicts = await duplicates(
      race,
      'templates.templates',
      '(name, language)',
      'account_id = $1',
      [accountId],
    )
    const { state, seen, removed } = run!
    if (state !== 'done') conflicts.push(`the run is ${state}`)
    if (seen !== total) conflicts.push(`the run counted ${seen} templates of ${total}`)
    if (removed !== 0) conflicts.push(`the run took ${removed} templates for deleted`)
    return [...conflicts, ...(await overlaps(race, 'templates'))]
  },
})
