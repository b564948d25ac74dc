import type { MigrationList } from '@lockstep/database'
import { Templates } from './migrations/2026-11-24-templates.ts'

/** In the order in which they run; a name that has landed never changes. */
export const migrations: MigrationList = [{ name: '2026-11-24-templates', class: Templates }]
