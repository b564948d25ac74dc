import type { MigrationList } from '@lockstep/database'
import { Conversations } from './migrations/2026-11-24-conversations.ts'
import { EveryKind } from './migrations/2026-11-25-every-kind.ts'
import { PagesAndCounts } from './migrations/2026-11-26-pages-and-counts.ts'

/** In the order in which they run; a name that has landed never changes. */
export const migrations: MigrationList = [
  { name: '2026-11-24-conversations', class: Conversations },
  { name: '2026-11-25-every-kind', class: EveryKind },
  { name: '2026-11-26-pages-and-counts', class: PagesAndCounts },
]
