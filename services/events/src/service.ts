import { EventsDefinition } from '@lockstep/rpc/gen/events'
import { defineService } from '@lockstep/service'
import { config } from './config.ts'
import { open } from './context.ts'
import { migrations } from './db/migrations.ts'
import { forgetDeliveries } from './jobs/forget-deliveries.ts'
import { maintainDays, maintainDaysEveryMs } from './jobs/maintain-days.ts'
import { deliver } from './lanes/deliver.ts'
import { recordEvents } from './lanes/record-events.ts'
import { acrossAccounts, callers, methods } from './rpc/index.ts'
import { times } from './times.ts'

export const eventsService = defineService({
  name: 'events',
  config,
  migrations,
  times,
  open,
  rpc: { definition: EventsDefinition, methods, callers, acrossAccounts },
  lanes: {
    'events.accounts': recordEvents('events.accounts'),
    'events.campaigns': recordEvents('events.campaigns'),
    'events.contacts': recordEvents('events.contacts'),
    'events.conversations': recordEvents('events.conversations'),
    'events.templates': recordEvents('events.templates'),
    'events.events': recordEvents('events.events'),
    'events.deliver': deliver,
  },
  jobs: { 'maintain-days': [maintainDaysEveryMs, maintainDays] },
  retention: { 'forget-deliveries': forgetDeliveries },
})
