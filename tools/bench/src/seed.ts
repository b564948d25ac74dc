import { randomBytes, randomUUID } from 'node:crypto'
import { secretPlaces } from '@lockstep/contracts'
import { createSecrets } from '@lockstep/service'
import type { TestSystem } from '@lockstep/testing/system'

/** A tenant with an app that Meta's webhooks are signed by. */
export interface SeededTenant {
  accountId: string
  appId: string
  appSecret: string
}

/** A connected number with a campaign whose messages have been accepted. */
export interface SeededNumber {
  tenant: SeededTenant
  connectionId: string
  phoneNumberId: string
  wabaId: string
  campaignId: string
}

type World = Pick<TestSystem['world'], 'sql' | 'encryptionKey'>

/** Accounts with an app each. Written before the services start, or they don't hear of it. */
export async function seedTenants(
  { sql, encryptionKey }: World,
  count: number,
): Promise<SeededTenant[]> {
  const secrets = createSecrets(encryptionKey)
  const tenants = Array.from({ length: count }, () => {
    return {
      accountId: randomUUID(),
      appId: randomUUID(),
      appSecret: randomBytes(16).toString('hex'),
    }
  })
  const sealed = (text: (tenant: SeededTenant) => string, place: 'appSecret' | 'appVerifyToken') =>
    tenants.map((tenant) =>
      secrets.seal(text(tenant), secretPlaces[place](tenant.appId, tenant.accountId)),
    )
  await sql(
    `with given as (select * from unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::bytea[]) v(account, app, secret, token)),
       a as (insert into accounts.accounts (id, name, created_at) select account, 'Seeded ' || account, now() - interval '1 day' from given)
     insert into accounts.apps (id, account_id, name, meta_app_id, sealed_secret, sealed_verify_token, created_at)
     select app, account, 'Seeded', app::text, secret, token, now() - interval '1 day' from given`,
    [
      tenants.map((t) => t.accountId),
      tenants.map((t) => t.appId),
      sealed((t) => t.appSecret, 'appSecret'),
      sealed(() => 'verify', 'appVerifyToken'),
    ],
  )
  return tenants
}

/** So many connected numbers of these tenants in turn, each in a WABA of its own, from phone number id `first` on; with a campaign each. */
export async function seedNumbers(
  { sql, encryptionKey }: World,
  tenants: readonly SeededTenant[],
  count: number,
  first: number,
): Promise<SeededNumber[]> {
  const secrets = createSecrets(encryptionKey)
  const numbers = Array.from({ length: count }, (_, i) => ({
    tenant: tenants[i % tenants.length]!,
    connectionId: randomUUID(),
    phoneNumberId: String(first + i),
    wabaId: String(10 * (first + i)),
    campaignId: randomUUID(),
  }))
  const accounts = numbers.map(({ tenant }) => tenant.accountId)
  await sql(
    `with c as (
       insert into accounts.connections (id, account_id, name, phone_number_id, waba_id, app_id, display_phone_number, verified_name,
         sealed_token, per_minute, per_second, max_per_second, quality, connected_at)
       select id, account, 'Seeded ' || phone, phone, waba, app, '+1 555 ' || phone, 'Seeded', token, 60000, 1000, 1000, 'GREEN', date_trunc('second', now() - interval '1 hour')
       from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::bytea[]) v(id, account, phone, waba, app, token) returning *)
     insert into accounts.connection_intervals (connection_id, account_id, phone_number_id, app_id, waba_id, connected_at)
     select id, account_id, phone_number_id, app_id, waba_id, connected_at from c`,
    [
      numbers.map((n) => n.connectionId),
      accounts,
      numbers.map((n) => n.phoneNumberId),
      numbers.map((n) => n.wabaId),
      numbers.map((n) => n.tenant.appId),
      numbers.map((n) =>
        secrets.seal('token', secretPlaces.connection(n.connectionId, n.tenant.accountId)),
      ),
    ],
  )
  await sql(
    `with given as (select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::uuid[]) v(id, account, connection, phone, app)),
       c as (insert into campaigns.campaigns (id, account_id, name, connection_id, phone_number_id, app_id, template_id, filter, values, state, created_at)
         select id, account, 'Seeded', connection, phone, app, gen_random_uuid(), '{"tags": ["x"]}', '{}', 'completed', now() from given)
     insert into campaigns.campaign_statistics (campaign_id, account_id) select id, account from given`,
    [
      numbers.map((n) => n.campaignId),
      accounts,
      numbers.map((n) => n.connectionId),
      numbers.map((n) => n.phoneNumberId),
      numbers.map((n) => n.tenant.appId),
    ],
  )
  return numbers
}

/** A send that Meta has accepted. */
export interface AcceptedAttempt {
  id: string
  campaignId: string
  wamid: string
}

/** So many accepted messages of each number's campaign, whose statuses are to come; by campaign. */
export async function seedAccepted(
  { sql }: World,
  numbers: readonly SeededNumber[],
  each: number,
  prefix: string,
): Promise<Map<string, AcceptedAttempt[]>> {
  const attempts = await sql<AcceptedAttempt>(
    `with c as (select id, account_id from campaigns.campaigns where id = any($1)),
       s as (update campaigns.campaign_statistics set recipients = recipients + $2, accepted = accepted + $2 where campaign_id = any($1)),
       r as (insert into campaigns.recipients (account_id, campaign_id, contact_id, run_id, phone, user_id, values, state, attempts)
         select account_id, id, gen_random_uuid(), id, '4915100000', '', '{}', 'accepted', 1 from c, generate_series(1, $2)
         returning id, account_id, campaign_id)
     insert into campaigns.attempts (account_id, campaign_id, recipient_id, number, outcome, fence, wamid, accepted_at)
     select account_id, campaign_id, id, 1, 'accepted', 1, $3 || id, now() from r
     returning id::text, campaign_id as "campaignId", wamid`,
    [numbers.map((n) => n.campaignId), each, prefix],
  )
  await sql(
    'update campaigns.recipients r set attempt_id = a.id from campaigns.attempts a where a.recipient_id = r.id and a.campaign_id = r.campaign_id and a.id = any($1)',
    [attempts.map(({ id }) => id)],
  )
  await sql('analyze campaigns.attempts, campaigns.recipients, campaigns.campaign_statistics')
  return Map.groupBy(attempts, (attempt) => attempt.campaignId)
}
