import { secretPlaces } from '@lockstep/contracts'

/** Every column that holds a sealed secret, and the place that it is bound to. */
export const sealedTables = {
  webhook_endpoints: {
    sealed_secret: secretPlaces.webhookEndpoint,
    sealed_previous: secretPlaces.webhookEndpoint,
  },
} as const
