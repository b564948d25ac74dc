import type { GraphFault } from './graph-errors.ts'
import type { FaultKind, Settings } from './settings.ts'

/** The error that was ordered for the next request to an endpoint, if any; uses the order up. */
export function orderedError(
  settings: Settings,
  on: 'messages' | 'management',
  request: Target = {},
): GraphFault | undefined {
  const order = takeNext(settings.errors.next, (each) => each.on === on && fits(each, request))
  return (
    order && { code: order.code, ...(order.subcode !== undefined && { subcode: order.subcode }) }
  )
}

/** The fault that was ordered for the next answer, if any; uses the order up. */
export function orderedFault(settings: Settings, request: Target): FaultKind | undefined {
  return takeNext(settings.faults.next, (each) => fits(each, request))?.kind
}

/** Which number sends, and to whom. */
interface Target {
  phoneNumberId?: string | undefined
  recipient?: string | undefined
}

function fits(order: Target, request: Target): boolean {
  const isNumber =
    order.phoneNumberId === undefined || order.phoneNumberId === request.phoneNumberId
  return isNumber && (order.recipient === undefined || order.recipient === request.recipient)
}

function takeNext<T extends { count: number }>(
  orders: T[],
  wanted: (order: T) => boolean,
): T | undefined {
  const at = orders.findIndex(wanted)
  if (at < 0) return undefined
  const order = orders[at]!
  if (--order.count === 0) orders.splice(at, 1)
  return order
}
