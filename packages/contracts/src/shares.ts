/** What one tenant may use of a thing that all tenants share. */
export interface ShareRow {
  /** Whose use is counted. */
  of: 'account' | 'app' | 'address' | 'body'
  /** The most that each may use in one process, in `unit`. */
  limit: number
  unit: string
  /** What becomes of what is over. */
  over: string
}

/** Every share. Whoever hands out a shared thing reads its bound here; nobody else bounds tenants. */
export const shares = {
  pool_places: {
    of: 'account',
    limit: 0.5,
    unit: 'parts of the connections to the database',
    over: 'its further transactions wait in order',
  },
  body_keys: { of: 'body', limit: 256, unit: 'distinct lane keys', over: 'the parts of further keys are kept without a lane' },
  campaigns_under_way: {
    of: 'account',
    limit: 8,
    unit: "campaigns that are prepared or sent at the same moment, a quarter of a worker's places",
    over: 'the others have their turn when one of these gives its place back, after some seconds',
  },
  prepares_under_way: {
    of: 'account',
    limit: 2,
    unit: 'campaigns that are prepared at the same moment',
    over: 'the others wait for a second and say so, until their turn has come',
  },
} as const satisfies Record<string, ShareRow>

export type ShareName = keyof typeof shares
