import { EventsDefinition } from '@lockstep/rpc/gen/events'
import { defineService } from '@lockstep/service'
import { config } from './config.ts'
import { migrations } from './db/migrations.ts'
import { maintainDays, maintainDaysEveryMs } from './jobs/maintain-days.ts'
import { recordEvents } from './lanes/record-events.ts'
import { acrossAccounts, callers, methods } from './rpc/index.ts'

export const eventsService = defineService({
  name: 'events',
  config,
  migrations,
  rpc: { definition: EventsDefinition, methods, callers, acrossAccounts },
  lanes: {
    'events.accounts': recordEvents('events.accounts'),
    'events.campaigns': recordEvents('events.campaigns'),
    'events.contacts': recordEvents('events.contacts'),
    'events.conversations': recordEvents('events.conversations'),
    'events.templates': recordEvents('events.templates'),
  },
  jobs: { 'maintain-days': [maintainDaysEveryMs, maintainDays] },
})
