import { setTimeout as delay } from 'node:timers/promises'
import { AppError, allCallers } from '@lockstep/contracts'
import {
  type HealthCheckRequest,
  HealthDefinition,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from '../gen/grpc/health/v1/health.ts'
import { bind } from './bind.ts'
import type { BoundService } from './bound-service.ts'
import type { Call } from './call.ts'

export interface HealthOptions {
  /** Full names of the services that are served beside it. */
  names: readonly string[]
  /** Whether calls can be answered now. */
  isReady: () => Promise<boolean>
  /** Aborted when the server closes: watches end, and nothing is served any more. */
  closing: AbortSignal
}

/** A watch looks so often. */
const lookEveryMs = 1_000

/** gRPC's health protocol: the whole server by an empty name, and each service by its own. */
export function healthService({ names, isReady, closing }: HealthOptions): BoundService {
  const state = async ({ service }: HealthCheckRequest) => {
    if (service !== '' && !names.includes(service)) return ServingStatus.SERVICE_UNKNOWN
    const isServing = !closing.aborted && (await isReady())
    return isServing ? ServingStatus.SERVING : ServingStatus.NOT_SERVING
  }
  async function check(_ctx: unknown, request: HealthCheckRequest) {
    const status = await state(request)
    if (status !== ServingStatus.SERVICE_UNKNOWN) return { status }
    throw new AppError('not_found', `There is no service "${request.service.slice(0, 64)}" here`)
  }
  async function* watch(_ctx: unknown, request: HealthCheckRequest, { signal }: Call) {
    const end = AbortSignal.any([closing, ...(signal ? [signal] : [])])
    let told: number | undefined
    for (;;) {
      const status = await state(request)
      if (status !== told) yield { status }
      told = status
      if (end.aborted) return
      await delay(lookEveryMs, undefined, { signal: end }).catch(() => {})
    }
  }
  return bind(
    HealthDefinition,
    {},
    { check, watch },
    { callers: { check: allCallers, watch: allCallers }, acrossAccounts: ['check', 'watch'] },
  )
}
