import { createWriteStream } from 'node:fs'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { consistentWorld, number } from './consistent-world.ts'
const N = 100_000
test('scale', async () => {
  await using world = await consistentWorld()
  const { sql, ids } = world
  await sql(`truncate campaigns.recipients, campaigns.attempts restart identity; truncate webhook_gateway.webhook_parts, webhook_gateway.webhook_bodies; truncate conversations.messages;`)
  await sql(`begin; insert into contacts.contacts (id, account_id, phone, source) select md5('c'||n)::uuid, '${ids.account}', (40000000000+n)::text, 'import' from generate_series(1,${N}) n;
   insert into contacts.identities select account_id,'number','phone',phone,id from contacts.contacts where phone like '400%'; commit;
   insert into contacts.consents (account_id, namespace, match_key, contact_id, kind, via, evidence, said_at) select account_id,'number',phone,id,'opt_out','word','w',now() from contacts.contacts where phone like '400%' limit 3000;
   insert into campaigns.recipients (account_id, campaign_id, contact_id, run_id, phone, user_id, values, state, attempt_id, attempts)
     select '${ids.account}','${ids.campaign}', md5('c'||n)::uuid, '${ids.campaign}', (40000000000+n)::text, '', '{}', 'read', n, 1 from generate_series(1,${N}) n;
   insert into campaigns.attempts (account_id, campaign_id, recipient_id, number, outcome, fence, wamid, accepted_at, sent_at, delivered_at, read_at)
     select '${ids.account}','${ids.campaign}', n, 1, 'accepted', 1, 'wamid.HBgLMTY0NjcwNDM1OTUVAgARGBI' || n, now(), now(), now(), now() from generate_series(1,${N}) n;
   update campaigns.campaign_statistics set recipients=${N}, accepted=${N}, sent=${N}, delivered=${N}, read=${N}, unknown=0;
   update accounts.connections set per_minute=10000000, per_second=10000000;`)
  const logFile = (world as any).logFile as string
  const out = createWriteStream(logFile)
  let seq = 0
  const w = async (o: object) => { if (!out.write(`${JSON.stringify({ seq: ++seq, atMs: Date.now(), ...o })}\n`)) await once(out, 'drain') }
  for (let n = 1; n <= N; n++) await w({ kind: 'post', phoneNumberId: number, input: `+${40000000000 + n}`, recipient: `${40000000000 + n}`, type: 'template', callback: `lk1.c.${ids.campaign}.${n}.0123456789ab`, template: { name: 's', language: 'en', category: 'MARKETING' }, outcome: 'accepted', wamid: `wamid.HBgLMTY0NjcwNDM1OTUVAgARGBI${n}`, nth: 1, nthPost: 1, httpStatus: 200, answer: 'sent' })
  for (let n = 1; n <= N; n += 50) {
    const st = ['sent', 'delivered', 'read'].flatMap((status) => Array.from({ length: 50 }, (_, i) => ({ wamid: `wamid.HBgLMTY0NjcwNDM1OTUVAgARGBI${n + i}`, status, phoneNumberId: number })))
    await w({ kind: 'delivery', id: `d${n}`, appId: '1', attempt: 1, startedAtMs: Date.now(), httpStatus: 200, elements: st })
  }
  out.end(); await once(out, 'close')
  await sql(`with s as (select g.n, b.st from generate_series(1,${N},50) g(n) cross join unnest(array['sent','delivered','read']) b(st)),
   b as (select gen_random_uuid() id, n, st, convert_to(json_build_object('object','whatsapp_business_account','entry',json_build_array(json_build_object('id','1','changes',json_build_array(json_build_object('field','messages','value',json_build_object('metadata',json_build_object('phone_number_id','${number}'),'statuses',(select json_agg(json_build_object('id','wamid.HBgLMTY0NjcwNDM1OTUVAgARGBI'||i,'status',st,'timestamp','1764000000','recipient_id','40000000001','biz_opaque_callback_data','lk1.c.${ids.campaign}.'||i||'.0123456789ab','pricing',json_build_object('billable',true,'category','marketing'))) from generate_series(n,n+49) i)))))))::text,'UTF8') raw from s),
   i as (insert into webhook_gateway.webhook_bodies select id,'${ids.app}',now(),raw from b returning id)
   insert into webhook_gateway.webhook_parts (body_id,app_id,received_at,lane,key,field,elements,outcome) select id,'${ids.app}',now(),'webhooks.campaign','k','messages',50,'done' from b`)
  await sql('analyze')
  const before = process.memoryUsage().rss
  let peak = 0
  const t = setInterval(() => { peak = Math.max(peak, process.memoryUsage().rss) }, 50)
  const start = performance.now()
  const report = await world.audit()
  clearInterval(t)
  console.log('total ms', performance.now() - start, 'rss before', before / 1e6, 'peak', peak / 1e6)
  console.table(report.invariants.map(({ id, checked, violations, ms }) => ({ id, checked, violations, ms })))
  console.log(JSON.stringify(report.invariants.filter((i) => i.violations).map((i) => i.rows.slice(0, 2))))
  expect(1).toBe(1)
}, 300_000)
