import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { startTestServers } from '@lockstep/testing'
import { phones, startStack } from '../../../test/stack.ts'
import { loadMigrations, spawnService } from '../../dev/services.ts'

const root = path.resolve(import.meta.dirname, '../../..')
await using servers = await startTestServers(root, await loadMigrations(), { durable: true })
await using stack = await startStack({
  services: ['accounts', 'templates', 'webhook-gateway'],
  scale: 1,
  servers,
  simulator: { webhooks: { paused: true } },
})
const logs = '/tmp/prof2'
if (process.argv[2] === 'sql') {
  for (const [k, v] of Object.entries({ log_min_duration_statement: '0', log_line_prefix: '%u ' }))
    await stack.world.sql(`alter system set ${k} = '${v}'`)
  await stack.world.sql('select pg_reload_conf()')
}
const prof = process.argv[2] === 'sql' ? [] : ['--cpu-prof', '--cpu-prof-dir=/tmp/prof2']
const main = (s: string) => [...prof, path.join(root, 'services', s, 'src/main.ts')]
const contacts = await spawnService('contacts', stack.ports, stack.surroundings, logs, main('contacts'))
const campaigns = await spawnService('campaigns', stack.ports, stack.surroundings, logs, main('campaigns'))
const tenant = await stack.addTenant()
await stack.world.sql('update accounts.connections set per_second = 1000000, per_minute = 60000000')
for (let round = 0; round < 3; round++) {
  const tag = `t${round}`
  await stack.importContacts(tenant, phones(10_000, round * 10_000), tag)
  const { id } = await stack.startCampaign(tenant, tag)
  const from = performance.now()
  await stack.untilCampaign(tenant, id, 'completed', 100_000)
  console.log('round', round, Math.round(performance.now() - from))
}
spawnSync('sh', ['-c', `find ${servers.dir} -type f -size +100k -name '*log*' -exec cp {} /tmp/prof2/ ';'`], { stdio: 'inherit' })
await campaigns.stop('SIGTERM')
await contacts.stop('SIGTERM')
