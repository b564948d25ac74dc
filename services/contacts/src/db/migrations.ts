import type { MigrationList } from '@lockstep/database'
import { Contacts } from './migrations/2026-11-24-contacts.ts'

/** In the order in which they run. */
export const migrations: MigrationList = [{ name: '2026-11-24-contacts', class: Contacts }]
