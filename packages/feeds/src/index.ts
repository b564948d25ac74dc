export * from './announce.ts'
export * from './context.ts'
export {
  type DeadEntry,
  type DismissedEntry,
  dismissDead,
  listDead,
  type ReopenedEntry,
  replayDead,
} from './dead-entries.ts'
export { duePartitions, type FeedCounts, feedCounts } from './due.ts'
export {
  type FeedAppend,
  type FeedContent,
  type FeedEntry,
  isLastTry,
  type Settlement,
} from './entry.ts'
export * from './handler.ts'
export { measureFeed } from './metrics.ts'
export { feedService } from './service.ts'
export { settleFeed } from './settle.ts'
export * from './source.ts'
export { producedLanes, sweepDue } from './sweeper.ts'
export { feedTable, keyHashOf } from './table.ts'
export { appendFeed, type TakeOptions, takeFeed } from './take.ts'
export { isInfrastructure, type Trouble, troubleOf } from './trouble.ts'
export { work } from './work.ts'
