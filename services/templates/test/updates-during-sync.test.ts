import { withClient } from '@lockstep/database'
import { owning } from '@lockstep/service'
import { until } from '@lockstep/testing'
import { expect, test } from 'vitest'
import { openMetaProxy } from './meta-proxy.ts'
import { openService, openStack, template, wabaId } from './templates-at-meta.ts'

const now = () => Math.floor(Date.now() / 1000)
const status = (event: string, { id, name }: { id: string; name: string }, time = now()) => ({
  field: 'message_template_status_update',
  value: {
    event,
    reason: 'NONE',
    message_template_id: id,
    message_template_name: name,
    message_template_language: 'en_US',
  },
  time,
})
const welcome = { id: '9007199254740993', name: 'welcome' }

/** A stack whose Meta answers through a proxy that can keep a list on its way. */
async function openDelayed(statusAtMeta: string) {
  await using opened = new AsyncDisposableStack()
  const stack = opened.use(
    await openStack([template('welcome', { ...welcome, status: statusAtMeta })]),
  )
  const meta = opened.use(await openMetaProxy(stack.simulator.url))
  const templates = opened.use(await openService({ ...stack.config, graphUrl: meta.url }))

  /**
   * Begins a sync whose page Meta has answered: it is written once the answer, `release`, is
   * called, which waits for the end.
   */
  async function syncDelayed(tenant: { accountId: string; connectionId: string }) {
    const answer = meta.delayNext()
    const { id } = await templates.client.startSync({ connectionId: tenant.connectionId }, tenant)
    await answer.answered
    return async () => {
      answer.release()
      await until(async () => (await templates.client.getSync({ id }, tenant)).state === 'done')
    }
  }

  /** Waits until all updates that came were handled: they have ended or are delayed. */
  const allHandled = () =>
    until(async () => {
      const open = await stack.world.sql(
        `select from webhook_gateway.feed_open where lane = 'webhooks.template' and not_before is null`,
      )
      return open.length === 0
    })

  const change = (statusNow: string) =>
    stack.simulator.client.setState({
      templates: { [wabaId]: [template('welcome', { ...welcome, status: statusNow })] },
    })
  const statusOf = async (of: { accountId: string }) =>
    (await templates.client.getTemplate({ id: '', wabaId, name: 'welcome', language: 'en_US' }, of))
      .status
  return owning({ ...stack, templates, syncDelayed, allHandled, change, statusOf }, opened)
}

test('an update of a template that a sync is about to write stays, by whichever connection of whichever account it is read', async () => {
  await using stack = await openDelayed('PENDING')
  const [one, other] = [await stack.tenant('101'), await stack.tenant('102')]
  const secondOfOne = await stack.connectNumber(one, '103')
  const releases = [await stack.syncDelayed(secondOfOne), await stack.syncDelayed(other)]
  await stack.deliver(one, status('APPROVED', welcome))
  await stack.deliver(other, status('REJECTED', welcome))
  await stack.allHandled()
  for (const release of releases) await release()
  expect(await stack.outcomes(2)).toEqual({ done: 2 })
  expect([await stack.statusOf(one), await stack.statusOf(other)]).toEqual(['APPROVED', 'REJECTED'])
})

test('an update stays also when the sync that writes its template ends while the update is being applied', async () => {
  await using stack = await openDelayed('PENDING')
  const tenant = await stack.tenant('101')
  const gone = { id: '77', name: 'gone' }
  await stack.simulator.client.setState({ templates: { [wabaId]: [template('gone', gone)] } })
  await stack.templates.sync(tenant)
  await stack.simulator.client.templateEvent({
    wabaId,
    name: 'gone',
    language: 'en_US',
    event: 'DELETED',
  })
  await stack.templates.sync(tenant)
  // As if Meta had it only now.
  await stack.world.sql(`delete from templates.templates where name = 'welcome'`)
  const release = await stack.syncDelayed(tenant)
  await withClient(stack.world.adminUrl, async (holder) => {
    // No sync writes this row, so it holds up nothing but the update.
    await holder.query(`begin; select from templates.templates where name = 'gone' for update`)
    await stack.deliver(tenant, status('APPROVED', welcome), status('DELETED', gone))
    await until(async () => {
      const waiting = await holder.query(
        `select from pg_stat_activity where usename = 'templates' and wait_event_type = 'Lock' and datname = current_database()`,
      )
      return waiting.rowCount === 1
    })
    await release()
    await holder.query('commit')
  })
  expect(await stack.outcomes(1)).toEqual({ done: 1 })
  expect(await stack.statusOf(tenant)).toBe('APPROVED')
})

test('a list that Meta was asked for before an update does not undo it, also when our clock is ahead of the one that dates the update', async () => {
  await using stack = await openDelayed('APPROVED')
  const tenant = await stack.tenant('101')
  await stack.templates.sync(tenant)
  const release = await stack.syncDelayed(tenant)
  await stack.deliver(tenant, status('PAUSED', welcome, now() - 30))
  expect(await stack.outcomes(1)).toEqual({ done: 1 })
  expect(await stack.statusOf(tenant)).toBe('PAUSED')
  await release()
  expect(await stack.statusOf(tenant)).toBe('PAUSED')
})

test('a list does not overwrite what another connection of the WABA was told later', async () => {
  await using stack = await openDelayed('APPROVED')
  const slow = await stack.tenant('101')
  const quick = await stack.connectNumber(slow, '102')
  const release = await stack.syncDelayed(slow)
  await stack.change('PAUSED')
  await stack.templates.sync(quick)
  await release()
  expect(await stack.statusOf(slow)).toBe('PAUSED')
})
