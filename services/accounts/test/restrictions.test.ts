import { type AccountEvent, accountEvents, parseWebhook } from '@lockstep/whatsapp'
import { describe, expect, test } from 'vitest'
import { healthOf } from '../src/connections/health.ts'
import { forbids, restrictionTypes } from '../src/connections/restrictions.ts'
import type { Connection } from '../src/db/entities.ts'
import {
  applyUpdate,
  connectionUpdates,
  restrictionUpdate,
} from '../src/updates/account-update-rules.ts'
import { applyRestrictions } from '../src/updates/apply-restrictions.ts'
import { summaryOf } from '../src/updates/event-summary.ts'

const atMs = 1_790_000_000_000
const seconds = atMs / 1_000
const event = (value: object, field = 'account_update'): AccountEvent => ({
  ...{ wabaId: '1', field, timestampMs: atMs },
  value: value as AccountEvent['value'],
})
const restriction = (restriction_type: string, expiration: unknown, more: object = {}) =>
  event({
    event: 'ACCOUNT_RESTRICTION',
    restriction_info: [{ restriction_type, expiration }],
    ...more,
  })
const violation = (violation_type: string) =>
  event({ event: 'ACCOUNT_RESTRICTION', violation_info: { violation_type } })

/**
 * A connection with the display number, and what updates make of it, each with its seconds after
 * the first.
 */
function number(displayPhoneNumber = '+1 555 078 3999') {
  const connection = {
    ...{ id: 'c', wabaId: '1', displayPhoneNumber, healthIssues: {}, factTimes: {} },
    connectedAt: new Date(atMs - 60_000),
  } as unknown as Connection
  const subject = { connection, restrictions: new Map() }
  let heard = 0
  const hear = (said: AccountEvent, second = 0) => {
    const at = new Date(atMs + second * 1_000)
    for (const update of connectionUpdates(said, '77')) applyUpdate(connection, update, at)
    const restrictions = restrictionUpdate(said)
    if (restrictions) applyRestrictions(subject, restrictions, at, new Date(atMs + heard++))
  }
  const active = () =>
    [...subject.restrictions.values()].filter(({ liftedAt }) => liftedAt === null)
  return {
    hear,
    active,
    types: () => active().map(({ type }) => type),
    health: () => healthOf(connection.healthIssues, active()),
  }
}

test("each of Meta's nine types has a plain summary, and only the two about messages touch messaging", () => {
  expect(restrictionTypes).toHaveLength(9)
  for (const type of restrictionTypes) {
    expect(summaryOf(restriction(type, seconds))).toMatch(
      /^Meta has restricted this WhatsApp Business account: [a-z][a-zA-Z, ]+, until 2026-/,
    )
    const { hear, health } = number()
    hear(restriction(type, seconds + 60))
    expect(health().health).toBe(forbids(type) ? 'restricted' : 'ok')
  }
  expect(restrictionTypes.filter(forbids)).toEqual([
    'RESTRICTED_BIZ_INITIATED_MESSAGING',
    'RESTRICTED_CUSTOMER_INITIATED_MESSAGING',
  ])
})

test('an end is read in seconds, as a text and as an ISO time; without one the restriction has no end', () => {
  for (const [expiration, end] of [
    [seconds, atMs],
    [String(seconds), atMs],
    [new Date(atMs).toISOString(), atMs],
    ['soon', undefined],
    [undefined, undefined],
  ]) {
    const { hear, active } = number()
    hear(restriction('RESTRICTED_BIZ_INITIATED_MESSAGING', expiration))
    expect(active().map(({ endsAt }) => endsAt?.getTime())).toEqual([end])
  }
})

describe('a warning or a lifting is an event with its summary', () => {
  test.each([
    [
      'DIRECT_SEND_UTILITY_CATEGORY_ABUSE_WARN',
      /^Meta warns that this WhatsApp Business account may be restricted \(.*_WARN\)\.$/,
    ],
    [
      'DIRECT_SEND_UTILITY_CATEGORY_ABUSE_UNBAN',
      /^Meta has lifted a restriction of this WhatsApp Business account \(.*_UNBAN\)\.$/,
    ],
    [
      'DIRECT_SEND_UTILITY_CATEGORY_ABUSE_RATE_LIMIT_RECOVERY',
      /^Meta has lifted a restriction .*_RATE_LIMIT_RECOVERY\)\.$/,
    ],
  ])('%s restricts nothing', (type, summary) => {
    const { hear, types, health } = number()
    hear(violation(type))
    expect([types(), health().health]).toEqual([[], 'ok'])
    expect(summaryOf(violation(type))).toMatch(summary)
  })
})

const abuse = {
  violation_info: {
    violation_type: 'DIRECT_SEND_UTILITY_CATEGORY_ABUSE_STRIKE_2',
    remediation: 'Mend the templates.',
  },
}
const directSend = restriction('RESTRICTED_DIRECT_SEND_UTILITY_TEMPLATES', seconds + 9_000, abuse)

test('a lifting ends its restriction and no other, also one that is older and comes after it', () => {
  const lifting = violation('DIRECT_SEND_UTILITY_CATEGORY_ABUSE_UNBAN')
  const inOrder = number()
  inOrder.hear(restriction('RESTRICTED_BIZ_INITIATED_MESSAGING', seconds + 9_000))
  inOrder.hear(directSend)
  inOrder.hear(lifting, 1)
  expect(inOrder.types()).toEqual(['RESTRICTED_BIZ_INITIATED_MESSAGING'])
  const late = number()
  late.hear(lifting, 1)
  late.hear(directSend)
  expect(late.types()).toEqual([])
  late.hear(directSend, 2)
  expect(late.types()).toEqual(['RESTRICTED_DIRECT_SEND_UTILITY_TEMPLATES'])
})

test('a restriction of a kind that is new is ended by the lifting of that kind', () => {
  const { hear, types } = number()
  hear(
    restriction('RESTRICTED_MESSAGING_SOMEHOW', seconds + 9_000, {
      violation_info: { violation_type: 'NEW_ABUSE_STRIKE_1' },
    }),
  )
  expect(types()).toEqual(['RESTRICTED_MESSAGING_SOMEHOW'])
  hear(violation('NEW_ABUSE_UNBAN'), 1)
  expect(types()).toEqual([])
})

test('a reinstatement ends all restrictions, also older ones that come after it', () => {
  const { hear, types } = number()
  hear(restriction('RESTRICTED_BIZ_INITIATED_MESSAGING', seconds + 9_000))
  hear(event({ event: 'ACCOUNT_RECONNECTED' }), 2)
  hear(directSend, 1)
  expect(types()).toEqual([])
})

test('what Meta says to do about it is told, and the same event once more does not make it new', () => {
  const { hear, active } = number()
  hear(directSend)
  const [first] = active()
  expect(first).toMatchObject({ remediation: 'Mend the templates.', notedAt: new Date(atMs) })
  hear(directSend)
  expect(active()).toEqual([first])
  expect(summaryOf(directSend)).toMatch(
    /STRIKE_2\): utility messages cannot be sent by Direct Send, until .*Z\. Mend the templates\.$/,
  )
})

test('an account event that names a number concerns that number only', () => {
  const removed = { event: 'PARTNER_REMOVED', phone_number: '15550783999' }
  const named = {
    event: 'DISABLED_UPDATE',
    phone_number: '15550783999',
    ban_info: { waba_ban_state: 'DISABLE' },
  }
  for (const value of [removed, named, { ...directSend.value, phone_number: '15550783999' }]) {
    const [meant, other] = [number(), number('+1 555 010 0199')]
    meant.hear(event(value))
    other.hear(event(value))
    expect(
      meant.health().health === 'disabled' || meant.types().length === 1,
      JSON.stringify(value),
    ).toBe(true)
    expect([other.health().health, other.types()]).toEqual(['ok', []])
    const { phone_number, ...whole } = value
    other.hear(event(whole))
    expect(other.health().health === 'disabled' || other.types().length === 1).toBe(true)
  }
})

test("Meta's review and the removal of our app say so in the health before a send finds out", () => {
  const { hear, health } = number()
  hear(event({ decision: 'PENDING' }, 'account_review_update'))
  expect(health()).toMatchObject({
    health: 'restricted',
    reason: expect.stringMatching(/review .* PENDING/),
  })
  hear(event({ decision: 'REJECTED' }, 'account_review_update'), 1)
  expect(health()).toMatchObject({
    health: 'disabled',
    reason: expect.stringMatching(/REJECTED\. Its numbers can send nothing/),
  })
  hear(event({ decision: 'DEFERRED' }, 'account_review_update'))
  expect(health().health).toBe('disabled')
  hear(event({ decision: 'APPROVED' }, 'account_review_update'), 2)
  expect(health().health).toBe('ok')
  const uninstalled = (partner_app_id: string) =>
    event({ event: 'PARTNER_APP_UNINSTALLED', waba_info: { partner_app_id } })
  hear(uninstalled('78'))
  expect(health().health).toBe('ok')
  hear(uninstalled('77'))
  expect(health().health).toBe('disabled')
})

test('what stands against a number together is said together', () => {
  const { hear, health } = number()
  hear(event({ decision: 'PENDING' }, 'account_review_update'))
  hear(restriction('RESTRICTED_BIZ_INITIATED_MESSAGING', undefined))
  expect(health().reason).toMatch(
    /review .* PENDING.* Meta has restricted this number: it can only answer people who write to it\.$/,
  )
})

test('an event is of the WABA that its value names, and has the time of its value where the entry has none', () => {
  const read = (entry: object) =>
    accountEvents(parseWebhook(Buffer.from(JSON.stringify({ entry: [entry] }))))
  const signed = {
    event: 'MM_LITE_TERMS_SIGNED',
    waba_info: { waba_id: '11', owner_business_id: '2' },
  }
  expect(
    read({ id: '2', time: seconds, changes: [{ field: 'account_update', value: signed }] }),
  ).toMatchObject([{ wabaId: '11', timestampMs: atMs }])
  const settings = { type: 'phone_number_settings', timestamp: String(seconds) }
  expect(
    read({ id: '2', changes: [{ field: 'account_settings_update', value: settings }] }),
  ).toMatchObject([{ wabaId: '2', timestampMs: atMs }])
})
