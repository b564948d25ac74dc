export * from './context.ts'
export {
  type DeadEntry,
  type Dismissed,
  dismissDead,
  listDead,
  type Reopened,
  replayDead,
} from './dead.ts'
export { duePartitions, type FeedCounts, feedCounts } from './due.ts'
export type { FeedAppend, FeedContent, FeedEntry, Settlement } from './entry.ts'
export * from './handler.ts'
export { measureFeed } from './metrics.ts'
export { feedService } from './service.ts'
export { settleFeed } from './settle.ts'
export * from './source.ts'
export { producedLanes, ringDue, sweepDue } from './sweeper.ts'
export { feedTable } from './table.ts'
export { appendFeed, type Taken, takeFeed, type Wanted } from './take.ts'
export { isInfrastructure, isLockGone, type Trouble, troubleOf } from './trouble.ts'
export { work } from './work.ts'
