import { counter } from '@lockstep/telemetry'

export const repeatedCalls = counter(
  'lockstep_rpc_retries_total',
  'Calls that were made again because their connection broke',
)
export const failedCalls = counter('lockstep_rpc_failures_total', 'Calls that ended with a failure')
