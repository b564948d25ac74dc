import { listEvents } from './list-events.ts'

export const methods = { listEvents }

export const callers = { listEvents: ['api'] } as const
