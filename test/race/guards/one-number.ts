import type { Tenant } from '@lockstep/testing/system'
import type { Guard, Work } from '../scenario.ts'
import type { Race } from '../system.ts'
import { pathGuard } from './path-guard.ts'

interface Wanted {
  /** Who asks, each by its own row of one app at Meta: a token is one app's. */
  askers: { of: Tenant; appId: string }[]
  phoneNumberId: string
}

let numbers = 80_000_000

/** Those who want a number connect it at the same time. */
const connecting = (tenants: (race: Race) => Promise<Tenant[]>): Work<Wanted> => ({
  slow: [{ table: 'accounts.connections', on: 'insert', seconds: 0.3 }],
  async prepare(race) {
    const phoneNumberId = String(++numbers)
    const { accounts } = race.system.clients
    const all = await tenants(race)
    const [owner] = all as [Tenant]
    const { metaAppId } = await accounts.getApp({ id: owner.appId }, owner)
    const app = { name: 'Shared', metaAppId, secret: owner.appSecret, verifyToken: 'verify' }
    const askers = []
    for (const of of all) {
      const isOwner = of.accountId === owner.accountId
      askers.push({ of, appId: isOwner ? owner.appId : (await accounts.createApp(app, of)).id })
    }
    const number = {
      id: phoneNumberId,
      wabaId: '81',
      token: 'token',
      displayPhoneNumber: `+1 555 ${phoneNumberId}`,
    }
    await race.system.simulator.client.setState({ numbers: [number] })
    return { askers, phoneNumberId }
  },
  async collide({ system }, { askers, phoneNumberId }) {
    const asked = { name: 'Number', phoneNumberId, wabaId: '81', accessToken: 'token' }
    await Promise.allSettled(
      askers.map(({ of, appId }) =>
        system.clients.accounts.createConnection({ ...asked, appId }, of),
      ),
    )
  },
  async conflicts({ sql }, { phoneNumberId }) {
    const rows = await sql<{ connections: number; open: number }>(
      `select (select count(*)::int from accounts.connections where phone_number_id = $1) as connections,
              (select count(*)::int from accounts.connection_intervals where phone_number_id = $1 and disconnected_at is null) as open`,
      [phoneNumberId],
    )
    const { connections, open } = rows[0]!
    return connections > 1 || open > 1
      ? [`the number is ${connections} connections with ${open} open intervals`]
      : []
  },
})

const noOwner: Guard = {
  is: 'one open interval a number, over all accounts',
  drop: ['drop index accounts.connection_intervals_live_number'],
  restore: [
    `delete from accounts.connection_intervals i using accounts.connection_intervals o
     where i.phone_number_id = o.phone_number_id and i.disconnected_at is null and o.disconnected_at is null and i.id > o.id`,
    'create unique index connection_intervals_live_number on accounts.connection_intervals (phone_number_id) where disconnected_at is null',
  ],
}

const noIdentity: Guard = {
  is: 'one connection a number in its account',
  drop: [
    'alter table accounts.connections drop constraint connections_account_id_phone_number_id_key',
  ],
  restore: [
    `with twice as (select c.id from accounts.connections c join accounts.connections o using (account_id, phone_number_id) where c.id > o.id),
       ended as (delete from accounts.connection_intervals where connection_id in (select id from twice))
     delete from accounts.connections where id in (select id from twice)`,
    'alter table accounts.connections add unique (account_id, phone_number_id)',
  ],
}

/** Two accounts connect one number. */
export const oneOwner = pathGuard<Wanted>({
  name: 'one owner of a number',
  work: connecting(async ({ system }) => [await system.addTenant(), await system.addTenant()]),
  taken: noOwner,
  beside: {},
  wrong: 'a number belongs to two accounts, and what people write to it to both',
})

/** One account connects a number twice. */
export const oneIdentity = pathGuard<Wanted>({
  name: 'one identity of a number',
  work: connecting(async ({ system }) => {
    const tenant = await system.addTenant()
    return [tenant, tenant]
  }),
  taken: noIdentity,
  beside: { 'one owner of a number': noOwner },
  wrong: 'a number is two connections of its account, each with limits and a history of its own',
})
