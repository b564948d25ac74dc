import { createEndpoint } from './create-endpoint.ts'
import {
  deleteEndpoint,
  enableEndpoint,
  getEndpoint,
  listEndpoints,
  updateEndpoint,
} from './endpoints.ts'
import { getPosition } from './get-position.ts'
import { listDeliveries } from './list-deliveries.ts'
import { listEvents } from './list-events.ts'
import { readNewEvents } from './read-new-events.ts'
import { replayEndpoint } from './replay-endpoint.ts'
import { countSecrets, resealSecrets } from './reseal-secrets.ts'
import { rotateEndpointSecret } from './rotate-endpoint-secret.ts'
import { testEndpoint } from './test-endpoint.ts'

export const methods = {
  countSecrets,
  createEndpoint,
  deleteEndpoint,
  enableEndpoint,
  getEndpoint,
  getPosition,
  listDeliveries,
  listEndpoints,
  listEvents,
  readNewEvents,
  replayEndpoint,
  resealSecrets,
  rotateEndpointSecret,
  testEndpoint,
  updateEndpoint,
}

export const callers = {
  countSecrets: ['operator'],
  createEndpoint: ['api'],
  deleteEndpoint: ['api'],
  enableEndpoint: ['api'],
  getEndpoint: ['api'],
  getPosition: ['api'],
  listDeliveries: ['api'],
  listEndpoints: ['api'],
  listEvents: ['api'],
  readNewEvents: ['api'],
  replayEndpoint: ['api'],
  resealSecrets: ['operator'],
  rotateEndpointSecret: ['api'],
  testEndpoint: ['api'],
  updateEndpoint: ['api'],
} as const

/** One reader follows the accounts of all streams of its process, and an operator counts and seals for all. */
export const acrossAccounts = ['countSecrets', 'readNewEvents', 'resealSecrets'] as const
