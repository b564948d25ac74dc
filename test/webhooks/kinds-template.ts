import { until } from '@lockstep/testing'
import type { Tenant, TestSystem } from '@lockstep/testing/system'
import type { Kind } from './kind.ts'

/** Past 2^53, where a double would change it. */
const metaId = '9007199254740993'
const body = 'Your order {{1}} is ready.'

/** The template that the fixtures name, as Meta lists it and as a sync has read it. Their news are of seconds ago, as late as the list by the margin of clocks. */
const listed =
  (status: string, text = body) =>
  async (stack: TestSystem, tenant: Tenant) => {
    await describe(stack, tenant, status, text)
    const run = await stack.clients.templates.startSync(
      { connectionId: tenant.connectionId },
      tenant,
    )
    await until(
      async () => (await stack.clients.templates.getSync({ id: run.id }, tenant)).state === 'done',
    )
  }

async function describe(
  { simulator }: TestSystem,
  { wabaId }: Tenant,
  status: string,
  text: string,
): Promise<void> {
  const components = [{ type: 'BODY' as const, text }]
  const template = {
    id: metaId,
    name: 'order_ready',
    language: 'en_US',
    category: 'UTILITY' as const,
    status,
    components,
  }
  await simulator.client.setState({ templates: { [wabaId]: [template] } })
}

interface Status {
  status: string
  rejected_reason?: string
  status_words?: string
}

const statusKind = (name: string, expected: Status, more: Partial<Kind> = {}): Kind => ({
  name,
  given: listed('APPROVED'),
  outcome: 'done',
  rows: {
    [`templates.templates where meta_id = '${metaId}'`]: [
      { rejected_reason: 'NONE', status_words: '', category: 'UTILITY', ...expected },
    ],
  },
  ...more,
})

const templateKind = (
  name: string,
  expected: Record<string, unknown>,
  more: Partial<Kind> = {},
): Kind => ({
  name,
  given: listed('APPROVED'),
  outcome: 'done',
  rows: { [`templates.templates where meta_id = '${metaId}'`]: [expected] },
  ...more,
})

/** Kinds of the fields message_template_* and template_category_update. */
export const templateKinds: Kind[] = [
  statusKind('template-approved', { status: 'APPROVED' }, { given: listed('PENDING') }),
  statusKind('template-pending-in-the-old-shape', { status: 'PENDING' }),
  statusKind('template-rejected', {
    status: 'REJECTED',
    rejected_reason: 'INVALID_FORMAT',
    status_words: 'Two parameters stand side by side. · Put words between them.',
  }),
  statusKind('template-paused', {
    status: 'PAUSED',
    status_words: 'FIRST_PAUSE · Paused for 3 hours because of low quality.',
  }),
  statusKind(
    'template-unpaused',
    { status: 'APPROVED', status_words: 'UNPAUSE · The pause is over.' },
    { after: ['template-paused'] },
  ),
  statusKind('template-disabled', {
    status: 'DISABLED',
    status_words: 'DISABLED · Its quality stayed low. · Disabled on 2099-01-01T00:00:00.000Z',
  }),
  statusKind('template-reinstated', { status: 'APPROVED' }, { after: ['template-disabled'] }),
  statusKind('template-flagged', { status: 'APPROVED', status_words: 'Disabled on Jan 3, 2099' }),
  statusKind('template-in-appeal', { status: 'IN_APPEAL' }, { given: listed('REJECTED') }),
  statusKind('template-pending-deletion', { status: 'PENDING_DELETION' }),
  statusKind('template-deleted', { status: 'DELETED' }),
  statusKind('template-limit-exceeded', { status: 'LIMIT_EXCEEDED' }),
  statusKind('template-archived', { status: 'ARCHIVED' }),
  statusKind('template-unarchived', { status: 'APPROVED' }, { after: ['template-archived'] }),
  statusKind('template-locked', { status: 'LOCKED' }),
  templateKind('template-quality', { quality: 'YELLOW', status: 'APPROVED' }),
  templateKind('template-quality-under-the-status-field', {
    quality: 'YELLOW',
    status: 'APPROVED',
    status_event_at: null,
  }),
  templateKind('template-category-announced', {
    category: 'UTILITY',
    next_category: 'MARKETING',
    next_category_at: '2099-01-02T00:00:00Z',
  }),
  templateKind(
    'template-category-changed',
    { category: 'MARKETING', next_category: '', next_category_at: null },
    { after: ['template-category-announced'] },
  ),
  {
    name: 'template-components-changed',
    given: async (stack, tenant) => {
      await listed('APPROVED')(stack, tenant)
      await describe(stack, tenant, 'APPROVED', 'Your order {{1}} is ready and waits for you.')
    },
    outcome: 'done',
    rows: {
      [`templates.templates where meta_id = '${metaId}'`]: [
        {
          components: [{ type: 'BODY', text: 'Your order {{1}} is ready and waits for you.' }],
          components_event_at: '{first}',
        },
      ],
      // One when the tenant was made, one of `given`, and one for this news.
      'templates.sync_runs': [{ state: 'done' }, { state: 'done' }, { state: 'done' }],
    },
  },
]
