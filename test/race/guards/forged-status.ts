import { randomBytes } from 'node:crypto'
import type { Guard, Work } from '../scenario.ts'
import { type Sent, sent } from '../statuses.ts'
import type { Race } from '../system.ts'
import { pathGuard } from './path-guard.ts'

/**
 * Another tenant says that a message of somebody else's campaign was read: signed by the stranger's own app, under a wamid
 * that nobody has, with the victim's number in the body, for the tag and the lane would both notice another one.
 */
const forging = (tokenOf: (race: Race, subject: Sent) => string): Work<Sent> => ({
  slow: [],
  prepare: sent,
  async collide(race, subject) {
    const stranger = await race.system.addTenant()
    const { phoneNumberId, wabaId } = subject.tenant
    const status = {
      id: `wamid.${randomBytes(12).toString('hex')}`,
      status: 'read',
      timestamp: String(Math.floor(Date.now() / 1000)),
      recipient_id: '4915120000000',
      biz_opaque_callback_data: tokenOf(race, subject),
    }
    await race.deliver({ ...stranger, phoneNumberId, wabaId }, { statuses: [status] })
  },
  async conflicts({ sql }, { campaignId }) {
    const believed = await sql(
      'select from campaigns.attempts where campaign_id = $1 and read_at is not null',
      [campaignId],
    )
    return believed.map(() => "a stranger's status was believed")
  },
})

const genuine = ({ tokens }: Race, { campaignId, attempts, tenant }: Sent): string =>
  tokens.issue({
    kind: 'c',
    ownerId: campaignId,
    attemptId: attempts[0]!.id,
    phoneNumberId: tenant.phoneNumberId,
  })

/** The rows forget who signed a body: it counts as signed by the app of the number that its part is about. */
const noAppBinding: Guard = {
  is: 'a part counts only for connections of the app that signed its body',
  drop: [
    `create or replace function race.own_app() returns trigger language plpgsql security definer as $$
     begin
       select k.app_id into new.app_id from accounts.connections k
       where k.disconnected_at is null and case new.lane
         when 'webhooks.campaign' then k.id = (select c.connection_id from campaigns.campaigns c where c.id = new.key::uuid)
         else k.phone_number_id = new.key end;
       return new;
     end $$`,
    'create trigger race_own_app before insert on webhook_gateway.webhook_parts for each row execute function race.own_app()',
  ],
  restore: ['drop trigger race_own_app on webhook_gateway.webhook_parts'],
}

/** The gateway is told that every app has every number. */
const noDoor: Guard = {
  is: 'the gateway lets an app speak for the numbers of its own connections only',
  drop: [
    'alter function accounts.webhook_app(uuid) rename to webhook_app_in_truth',
    `create function accounts.webhook_app(app uuid)
       returns table (id uuid, account_id uuid, sealed_secret bytea, sealed_previous_secret bytea, previous_secret_until timestamptz,
                      sealed_verify_token bytea, phone_number_ids json, waba_ids json, former_phone_number_ids json)
     language sql stable security definer
     as $$ select t.id, t.account_id, t.sealed_secret, t.sealed_previous_secret, t.previous_secret_until, t.sealed_verify_token,
                  to_json(array(select c.phone_number_id from accounts.connections c where c.disconnected_at is null)), t.waba_ids, '[]'::json
           from accounts.webhook_app_in_truth(app) t $$`,
  ],
  restore: [
    'drop function accounts.webhook_app(uuid)',
    'alter function accounts.webhook_app_in_truth(uuid) rename to webhook_app',
  ],
}

export const tokenTag = pathGuard<Sent>({
  name: 'token tag',
  work: forging((race, subject) => genuine(race, subject).replace(/[0-9a-f]{12}$/, 'c0ffee123456')),
  taken: {
    is: 'a token is believed only with the tag that binds it to the platform key and its number',
    tokenTag: true,
  },
  beside: { 'app binding': noAppBinding, 'numbers of the app': noDoor },
  wrong: 'whoever guesses the number of an attempt can say that it was read',
})

/** The token itself is no secret: Meta shows it to every app that listens to the number. */
export const appBinding = pathGuard<Sent>({
  name: 'app binding',
  work: forging(genuine),
  taken: noAppBinding,
  beside: { 'numbers of the app': noDoor },
  wrong: "a status that another tenant's app has signed is believed, once its token is known",
})

export const numbersOfTheApp = pathGuard<Sent>({
  name: 'numbers of the app',
  work: forging(genuine),
  taken: noDoor,
  beside: { 'app binding': noAppBinding },
  wrong:
    "a status that another tenant's app has signed reaches the campaign's lane, where it is believed",
})
