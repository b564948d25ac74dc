import type { FeedOptions } from '@lockstep/service'
import { partContent, reopenParts, settleParts } from './db/queries.ts'
import { countParts } from './metrics.ts'

/** The feed of webhook parts: content stands in the part or its body, and what becomes of an entry is noted on its part. */
export const partsFeed: FeedOptions = {
  content: partContent,
  async onSettle(tx, verdicts, lane) {
    const settled = await settleParts(tx, lane, verdicts)
    tx.afterCommit(() => {
      for (const { outcome, field, parts } of settled) countParts(outcome, field, parts)
    })
  },
  onReplay: reopenParts,
}
