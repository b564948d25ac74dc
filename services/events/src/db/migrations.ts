import type { MigrationList } from '@lockstep/database'
import { Events } from './migrations/2026-11-29-events.ts'

/** In the order in which they run; a name that has landed never changes. */
export const migrations: MigrationList = [{ name: '2026-11-29-events', class: Events }]
