import type { MigrationList } from '@lockstep/database'
import { WebhookGateway } from './migrations/2026-11-24-webhook-gateway.ts'
import { Replay } from './migrations/2026-11-25-replay.ts'
import { KeepDays } from './migrations/2026-11-26-keep-days.ts'

/** In the order in which they run; a name that has landed never changes. */
export const migrations: MigrationList = [
  { name: '2026-11-24-webhook-gateway', class: WebhookGateway },
  { name: '2026-11-25-replay', class: Replay },
  { name: '2026-11-26-keep-days', class: KeepDays },
]
