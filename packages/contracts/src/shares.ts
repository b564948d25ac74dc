/** What one tenant may use of a thing that all tenants share. */
export interface ShareRow {
  /** Whose use is counted. */
  of: 'account' | 'app' | 'address' | 'body' | 'name'
  /** The most that each may use in one process, in `unit`. */
  limit: number
  unit: string
  /** What becomes of what is over. */
  over: string
}

const megabyte = 1024 * 1024

/** Nothing else bounds what one tenant may use. */
export const shares = {
  pool_places: {
    of: 'account',
    limit: 0.5,
    unit: 'parts of the connections to the database',
    over: 'its further transactions wait in order',
  },
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
  graph_sockets: {
    of: 'account',
    limit: 0.5,
    unit: 'parts of the connections to Meta, one for each message under way',
    over: 'its further messages are claimed when one of these has its outcome',
  },
  body_keys: {
    of: 'body',
    limit: 256,
    unit: "distinct lane keys of its app's own, and as many fields",
    over: 'the parts of further keys are kept without a lane',
  },
  body_other_keys: {
    of: 'body',
    limit: 32,
    unit: "distinct lane keys that are not its app's",
    over: 'the parts of further keys are kept without a lane',
  },
  body_tokens: {
    of: 'body',
    limit: 5_000,
    unit: 'tokens of statuses',
    over: 'further statuses wait with their number, which hands them on',
  },
  account_reading: {
    of: 'account',
    limit: 0.125,
    unit: "parts of the gateway's time, for taking its large bodies apart",
    over: 'its further ones wait in order',
  },
  account_unread_bytes: {
    of: 'account',
    limit: 16 * megabyte,
    unit: 'bytes of such bodies that wait',
    over: 'answered 503',
  },
  app_uploads: {
    of: 'app',
    limit: 512,
    unit: 'webhook requests whose signature is not checked yet',
    over: 'the oldest is cut off',
  },
  app_upload_bytes: {
    of: 'app',
    limit: 16 * megabyte,
    unit: 'bytes of such requests',
    over: 'the oldest is cut off',
  },
  address_uploads: {
    of: 'address',
    limit: 1_024,
    unit: 'webhook requests whose signature is not checked yet',
    over: 'the oldest is cut off',
  },
  address_upload_bytes: {
    of: 'address',
    limit: 32 * megabyte,
    unit: 'bytes of such requests',
    over: 'the oldest is cut off',
  },
  address_sockets: {
    of: 'address',
    limit: 4_096,
    unit: 'connections to the webhook server',
    over: 'a further one is closed at once',
  },
  address_app_lookups: {
    of: 'address',
    limit: 50,
    unit: 'look-ups a second of apps not in memory',
    over: 'answered 503',
  },
  sign_ins_of_name: {
    of: 'name',
    limit: 10,
    unit: 'tries to sign in within 15 minutes; one that succeeds begins anew',
    over: 'answered 429 until the 15 minutes are over',
  },
  sign_ins_of_address: {
    of: 'address',
    limit: 100,
    unit: 'tries to sign in that failed within 15 minutes; of IPv6 a /64 is one address',
    over: 'answered 429 until the 15 minutes are over',
  },
  codes_of_name: {
    of: 'name',
    limit: 10,
    unit: 'codes of a second factor within 15 minutes, by person; one that is right begins anew',
    over: 'answered 429 until the 15 minutes are over',
  },
  codes_of_address: {
    of: 'address',
    limit: 100,
    unit: 'such codes that were wrong within 15 minutes; of IPv6 a /64 is one address',
    over: 'answered 429 until the 15 minutes are over',
  },
  reset_requests_of_name: {
    of: 'name',
    limit: 3,
    unit: 'links to another password that are asked for within 15 minutes, by e-mail',
    over: 'answered 429 until the 15 minutes are over',
  },
  reset_requests_of_address: {
    of: 'address',
    limit: 30,
    unit: 'such links that are asked for within 15 minutes; of IPv6 a /64 is one address',
    over: 'answered 429 until the 15 minutes are over',
  },
  api_calls: {
    of: 'account',
    limit: 64,
    unit: 'requests to the public API under way',
    over: 'answered 429 with Retry-After',
  },
  event_streams: {
    of: 'account',
    limit: 500,
    unit: 'streams of events that are open',
    over: 'answered 429',
  },
} as const satisfies Record<string, ShareRow>
