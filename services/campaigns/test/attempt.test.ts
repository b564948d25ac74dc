import { type Attempt, type AttemptChange, applyChange, recipientState } from '@lockstep/sending'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { count, noStatistics } from '../src/outcomes/statistics.ts'

const claimed: Attempt = {
  id: '1',
  recipientId: '1',
  outcome: 'sending',
  wamid: null,
  claimedAt: new Date(1_700_000_070_000),
  acceptedAt: null,
  sentAt: null,
  deliveredAt: null,
  readAt: null,
  failedAt: null,
  code: null,
  reason: '',
}

const moment = fc.integer({ min: 0, max: 20 }).map((s) => new Date(1_700_000_000_000 + s * 1_000))
const status = fc.record({
  kind: fc.constantFrom('sent' as const, 'delivered' as const, 'read' as const, 'failed' as const),
  at: moment,
  wamid: fc.constant('wamid.A'),
  code: fc.constantFrom(131026, 131049, null),
  reason: fc.constantFrom('undeliverable', 'capped'),
})
const accepted: AttemptChange = {
  kind: 'accepted',
  at: new Date(1_700_000_005_000),
  wamid: 'wamid.A',
}
const after = (changes: AttemptChange[]) => changes.reduce(applyChange, claimed)

test('a status that is dated before the attempt changes nothing about when the message was accepted', () => {
  const { claimedAt } = claimed
  const answered: AttemptChange = {
    kind: 'accepted',
    at: new Date(claimedAt!.getTime() + 300),
    wamid: 'wamid.A',
  }
  const old: AttemptChange = {
    kind: 'delivered',
    at: new Date(claimedAt!.getTime() - 31 * 86_400_000),
    wamid: 'wamid.A',
  }
  for (const changes of [
    [answered, old],
    [old, answered],
  ])
    expect(after(changes)).toMatchObject({
      acceptedAt: answered.at,
      deliveredAt: old.at,
      outcome: 'accepted',
    })
  expect(after([old])).toMatchObject({ acceptedAt: null, outcome: 'accepted' })
})

test('every order and repetition of the same statuses, before or after the answer to the call, gives the same attempt', () => {
  const history = fc.array(status, { minLength: 1, maxLength: 8 }).chain((statuses) => {
    const all: AttemptChange[] = [...statuses, accepted]
    return fc.tuple(
      fc.constant(all),
      fc.shuffledSubarray([...all, ...all], { minLength: all.length * 2 }),
    )
  })
  fc.assert(
    fc.property(history, ([ordered, shuffled]) => {
      // Words belong to the failure that counts; two failures of one moment and code are the same
      // failure to Meta.
      const facts = ({ reason: _, ...attempt }: Attempt) => attempt
      expect(facts(after(shuffled))).toEqual(facts(after(ordered)))
    }),
    { numRuns: 1_000 },
  )
})

test('a state never falls back, whatever comes later', () => {
  const rank = {
    queued: 0,
    sending: 0,
    unknown: 0,
    rejected: 0,
    skipped: 0,
    accepted: 1,
    sent: 2,
    failed: 3,
    delivered: 4,
    read: 5,
  }
  fc.assert(
    fc.property(fc.array(fc.oneof(status, fc.constant(accepted)), { maxLength: 12 }), (changes) => {
      let attempt = claimed
      for (const change of changes) {
        const next = applyChange(attempt, change)
        expect(rank[recipientState(next)]).toBeGreaterThanOrEqual(rank[recipientState(attempt)])
        attempt = next
      }
    }),
  )
})

test('an unknown outcome is resolved by a status, or by the process that made the call, which was only slow to tell', () => {
  const at = new Date()
  const given: AttemptChange = { kind: 'unknown', at, reason: 'its process seems to have ended' }
  const unknown = applyChange(claimed, given)
  expect(recipientState(unknown)).toBe('unknown')
  expect(recipientState(applyChange(unknown, { kind: 'sent', at, wamid: 'w' }))).toBe('sent')
  const outcomes: [AttemptChange, string][] = [
    [{ kind: 'not_sent', at }, 'queued'],
    [{ kind: 'rejected', at }, 'rejected'],
    [{ kind: 'skipped', at }, 'skipped'],
    [{ kind: 'accepted', at, wamid: 'w' }, 'accepted'],
  ]
  for (const [outcome, state] of outcomes) {
    expect(recipientState(applyChange(unknown, outcome))).toBe(state)
    expect(recipientState(applyChange(applyChange(claimed, outcome), given))).toBe(state)
  }
})

test('read implies delivered and sent in the statistics; failed shows only while nothing better is known', () => {
  const read = after([{ kind: 'read', at: new Date(), wamid: 'w' }])
  const statistics = noStatistics()
  count(statistics, recipientState(read), read, 1)
  expect(statistics).toMatchObject({
    recipients: 1,
    accepted: 1,
    sent: 1,
    delivered: 1,
    read: 1,
    failed: 0,
  })
  const failed: AttemptChange = { kind: 'failed', at: new Date(), wamid: 'w', code: 131026 }
  expect(recipientState(after([failed, { kind: 'sent', at: new Date(), wamid: 'w' }]))).toBe(
    'failed',
  )
  expect(recipientState(after([failed, { kind: 'delivered', at: new Date(), wamid: 'w' }]))).toBe(
    'delivered',
  )
})
