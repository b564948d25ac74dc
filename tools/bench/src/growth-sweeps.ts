import type { ServiceName } from '@lockstep/contracts'
import { type Database, openDatabase, schemaOf } from '@lockstep/database'
import type { World } from '@lockstep/testing'
import { forgetEventPage } from '../../../services/accounts/src/db/account-events.ts'
import { forgetAuditPage } from '../../../services/accounts/src/db/audit-entries.ts'
import { forgetResetPage } from '../../../services/accounts/src/db/password-resets.ts'
import { forgetSessionPage } from '../../../services/accounts/src/db/sessions.ts'
import { forgetCountPage } from '../../../services/accounts/src/db/sign-in-counts.ts'
import { deleteOldConsents, deleteOldImports } from '../../../services/contacts/src/db/old-rows.ts'
import { forgetMessagePage } from '../../../services/conversations/src/jobs/forget-messages.ts'
import { forgetDeliveryPage } from '../../../services/events/src/db/deliveries.ts'
import { forgetRunPage } from '../../../services/templates/src/db/sync-runs.ts'
import type { GrownCall } from './growth-calls.ts'

const daysAgo = (days: number) => new Date(Date.now() - days * 86_400_000)

/** A page of each table's retention, as the services' timers take it every few minutes. */
export async function openSweeps(world: World): Promise<AsyncDisposable & { sweeps: GrownCall[] }> {
  await using stack = new AsyncDisposableStack()
  const open = async (service: ServiceName): Promise<Database> =>
    stack.use(
      await openDatabase({ url: world.roleUrl(service), schema: schemaOf(service), poolSize: 1 }),
    )
  const [accounts, contacts, conversations, events, templates] = [
    await open('accounts'),
    await open('contacts'),
    await open('conversations'),
    await open('events'),
    await open('templates'),
  ]
  const sweeps: GrownCall[] = [
    {
      name: 'a page of old account events',
      run: () => forgetEventPage(accounts, daysAgo(400), 2_000),
    },
    {
      name: 'a page of sessions that are over',
      run: () => forgetSessionPage(accounts, { at: new Date(), unusedSince: daysAgo(2) }, 1_000),
    },
    {
      name: 'a page of old audit entries',
      run: () => forgetAuditPage(accounts, daysAgo(400), 2_000),
    },
    {
      name: 'a page of links to another password that are over',
      run: () => forgetResetPage(accounts, new Date(), 1_000),
    },
    {
      name: 'a page of old counts of tries to sign in',
      run: () => forgetCountPage(accounts, new Date(Date.now() - 900_000), 1_000),
    },
    { name: 'a page of old imports', run: () => deleteOldImports(contacts, daysAgo(90), 1_000) },
    {
      name: 'a page of old consents',
      run: () => deleteOldConsents(contacts, daysAgo(1_826), 1_000),
    },
    {
      name: 'a page of old messages',
      run: () => forgetMessagePage(conversations, daysAgo(400), 500),
    },
    {
      name: 'a page of old webhook deliveries',
      run: () => forgetDeliveryPage(events, daysAgo(7), 2_000),
    },
    {
      name: 'a page of old template syncs',
      run: () => forgetRunPage(templates, daysAgo(30), 2_000),
    },
  ]
  const opened = stack.move()
  return { sweeps, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}
