import type * as proto from '@lockstep/rpc/gen/campaigns'
import type { Campaign } from '../db/entities.ts'
import { noStatistics, type Statistics } from '../outcomes/statistics.ts'

/** `waits` is the reason why its preparation waits. */
export function campaignToProto(
  campaign: Campaign,
  statistics: Statistics = noStatistics(),
  waits = '',
): proto.Campaign {
  const {
    id,
    name,
    connectionId,
    templateId,
    filter,
    values,
    state,
    createdAt,
    startedAt,
    finishedAt,
  } = campaign
  return {
    id,
    name,
    connectionId,
    templateId,
    filter,
    values,
    state,
    reason: campaign.reason || waits,
    statistics,
    createdAtMs: createdAt.getTime(),
    startedAtMs: startedAt?.getTime(),
    finishedAtMs: finishedAt?.getTime(),
  }
}
