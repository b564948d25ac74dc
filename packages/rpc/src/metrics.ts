import { counter } from '@lockstep/telemetry'

export const failedCalls = counter('lockstep_rpc_failures_total', 'Calls that ended with a failure')
