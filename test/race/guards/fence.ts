import { campaignPrepareRecipients, noCursor } from '../campaign_prepare_recipients.ts'
import { templateSync } from '../template_sync.ts'
import { layersOf, pathGuard } from './path-guard.ts'

/** Processes that all believe that they hold the lock, as one does that has stalled past its lock and its lease. */
export const fenceOfPreparing = pathGuard({
  name: 'fence (preparing)',
  work: campaignPrepareRecipients,
  taken: campaignPrepareRecipients.guards.fence!,
  beside: { ...layersOf(campaignPrepareRecipients, 'lock', 'lane'), cursor: noCursor },
  wrong: 'several processes add the same page, and each counts its people',
})

export const fenceOfSync = pathGuard({
  name: 'fence (template sync)',
  work: templateSync,
  taken: templateSync.guards.fence!,
  beside: layersOf(templateSync, 'lock', 'lane'),
  wrong: 'a run counts what the others have read, too',
})
