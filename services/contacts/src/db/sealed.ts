import { secretPlaces } from '@lockstep/contracts'

/** Every column that holds a sealed secret, and the place that it is bound to. */
export const sealedTables = {
  forgotten_keys: { sealed_key: secretPlaces.forgottenKey },
} as const
