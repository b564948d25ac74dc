import { getPosition } from './get-position.ts'
import { listEvents } from './list-events.ts'
import { readNewEvents } from './read-new-events.ts'

export const methods = { listEvents, getPosition, readNewEvents }

export const callers = {
  listEvents: ['api'],
  getPosition: ['api'],
  readNewEvents: ['api'],
} as const

/** One reader follows the accounts of all streams of its process. */
export const acrossAccounts = ['readNewEvents'] as const
