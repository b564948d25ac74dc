/** Where a sealed secret stands; it is authenticated with it, so that a ciphertext moved to another row doesn't open. */
export interface SecretPlace {
  table: string
  row: string
  accountId: string
}

/** The places of the secrets that travel sealed from `accounts` to the services that open them. */
export const secretPlaces = {
  app: (appId: string, accountId: string): SecretPlace => ({ table: 'apps', row: appId, accountId }),
  connection: (connectionId: string, accountId: string): SecretPlace => ({ table: 'connections', row: connectionId, accountId }),
} as const
