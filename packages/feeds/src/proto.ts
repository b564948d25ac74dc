import type { Entry, Verdict } from '@lockstep/rpc/gen/feed'
import type { FeedEntry, FeedVerdict } from './entry.ts'

export const entryToProto = (entry: FeedEntry): Entry => entry

export const entryFromProto = ({ body, ...entry }: Entry): FeedEntry => ({
  ...entry,
  body: Buffer.from(body.buffer, body.byteOffset, body.length),
})

export function verdictToProto(verdict: FeedVerdict): Verdict {
  const { id, key } = verdict
  if ('outcome' in verdict) return { id, key, verdict: { $case: 'outcome', outcome: verdict.outcome }, note: verdict.note ?? '' }
  if ('laterMs' in verdict) return { id, key, verdict: { $case: 'laterMs', laterMs: Math.round(verdict.laterMs) }, note: '' }
  return { id, key, verdict: { $case: 'failure', failure: verdict.failure }, note: '' }
}

export function verdictFromProto({ id, key, verdict, note }: Verdict): FeedVerdict[] {
  if (verdict?.$case === 'outcome') return [{ id, key, outcome: verdict.outcome, ...(note && { note }) }]
  if (verdict?.$case === 'laterMs') return [{ id, key, laterMs: verdict.laterMs }]
  if (verdict?.$case === 'failure') return [{ id, key, failure: verdict.failure }]
  return []
}
