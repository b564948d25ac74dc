import { secretPlaces } from '@lockstep/contracts'

/** Every column that holds a sealed secret, and the place that it is bound to. */
export const sealedTables = {
  apps: {
    sealed_secret: secretPlaces.appSecret,
    sealed_previous_secret: secretPlaces.appSecret,
    sealed_verify_token: secretPlaces.appVerifyToken,
  },
  connections: { sealed_token: secretPlaces.connection },
  sign_ups: { sealed_token: secretPlaces.signUp },
  second_factors: { sealed_secret: secretPlaces.secondFactor },
  mails: { sealed_token: secretPlaces.mail },
} as const
