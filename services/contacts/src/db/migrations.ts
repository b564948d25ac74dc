import type { MigrationList } from '@lockstep/database'
import { Contacts } from './migrations/2026-11-24-contacts.ts'
import { MovesAndMerges } from './migrations/2026-11-25-moves-and-merges.ts'

/** In the order in which they run; a name that has landed never changes. */
export const migrations: MigrationList = [
  { name: '2026-11-24-contacts', class: Contacts },
  { name: '2026-11-25-moves-and-merges', class: MovesAndMerges },
]
