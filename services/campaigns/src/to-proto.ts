import type * as proto from '@lockstep/rpc/gen/campaigns'
import type { Campaign } from './db/entities.ts'
import { noStatistics, type Statistics } from './statistics.ts'

export function campaignToProto(campaign: Campaign, statistics: Statistics = noStatistics()): proto.Campaign {
  const { createdAt, startedAt, resumedAt: _, finishedAt, accountId: __, ...rest } = campaign
  return {
    ...rest,
    statistics,
    createdAtMs: createdAt.getTime(),
    startedAtMs: startedAt?.getTime(),
    finishedAtMs: finishedAt?.getTime(),
  }
}
