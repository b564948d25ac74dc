import type { Entry, Settlement as SettlementMessage } from '@lockstep/rpc/gen/feed'
import type { FeedEntry, Settlement } from './entry.ts'

export const entryToProto = (entry: FeedEntry): Entry => entry

export const entryFromProto = ({ body, ...entry }: Entry): FeedEntry => ({
  ...entry,
  body: Buffer.from(body.buffer, body.byteOffset, body.length),
})

export function settlementToProto(settlement: Settlement): SettlementMessage {
  const { id, key } = settlement
  if ('outcome' in settlement)
    return {
      id,
      key,
      result: { $case: 'outcome', outcome: settlement.outcome },
      note: settlement.note ?? '',
    }
  if ('laterMs' in settlement)
    return {
      id,
      key,
      result: { $case: 'laterMs', laterMs: Math.round(settlement.laterMs) },
      note: '',
    }
  return { id, key, result: { $case: 'failure', failure: settlement.failure }, note: '' }
}

export function settlementFromProto({ id, key, result, note }: SettlementMessage): Settlement[] {
  if (result?.$case === 'outcome')
    return [{ id, key, outcome: result.outcome, ...(note && { note }) }]
  if (result?.$case === 'laterMs') return [{ id, key, laterMs: result.laterMs }]
  if (result?.$case === 'failure') return [{ id, key, failure: result.failure }]
  return []
}
