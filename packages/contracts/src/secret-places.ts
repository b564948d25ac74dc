/** Bound to its ciphertext, so that one moved to another row or column doesn't open. */
export interface SecretPlace {
  /** With its column, where a row holds several secrets. */
  table: string
  row: string
  accountId: string
}

/** The places of the secrets that travel sealed from `accounts` to the services that open them. */
export const secretPlaces = {
  appSecret: (appId: string, accountId: string): SecretPlace => ({
    table: 'apps.secret',
    row: appId,
    accountId,
  }),
  appVerifyToken: (appId: string, accountId: string): SecretPlace => ({
    table: 'apps.verify_token',
    row: appId,
    accountId,
  }),
  connection: (connectionId: string, accountId: string): SecretPlace => ({
    table: 'connections',
    row: connectionId,
    accountId,
  }),
  signUp: (signUpId: string, accountId: string): SecretPlace => ({
    table: 'sign_ups',
    row: signUpId,
    accountId,
  }),
  mail: (mailId: string, accountId: string): SecretPlace => ({
    table: 'mails',
    row: mailId,
    accountId,
  }),
  /** In the account in which it was set up. */
  secondFactor: (personId: string, accountId: string): SecretPlace => ({
    table: 'second_factors',
    row: personId,
    accountId,
  }),
  /** It is no row: a browser keeps it between two steps of signing in. */
  signInTicket: (step: 'provider' | 'code'): SecretPlace => ({
    table: 'sign_in_tickets',
    row: step,
    accountId: '',
  }),
  forgottenKey: (accountId: string): SecretPlace => ({
    table: 'forgotten_keys',
    row: accountId,
    accountId,
  }),
  webhookEndpoint: (endpointId: string, accountId: string): SecretPlace => ({
    table: 'webhook_endpoints',
    row: endpointId,
    accountId,
  }),
} as const
