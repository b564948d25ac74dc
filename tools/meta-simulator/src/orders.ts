import type { GraphFault } from './graph-errors.ts'
import type { FaultKind, Settings } from './settings.ts'

/** The error that was ordered for the next request to an endpoint, if any; uses the order up. */
export function orderedError(settings: Settings, on: 'messages' | 'management', phoneNumberId?: string): GraphFault | undefined {
  const order = takeNext(settings.errors.next, (each) => each.on === on && fits(each, phoneNumberId))
  return order && { code: order.code }
}

/** The fault that was ordered for the next answer of a number, if any; uses the order up. */
export function orderedFault(settings: Settings, phoneNumberId: string): FaultKind | undefined {
  return takeNext(settings.faults.next, (each) => fits(each, phoneNumberId))?.kind
}

function fits(order: { phoneNumberId?: string | undefined }, phoneNumberId: string | undefined): boolean {
  return order.phoneNumberId === undefined || order.phoneNumberId === phoneNumberId
}

function takeNext<T extends { count: number }>(orders: T[], wanted: (order: T) => boolean): T | undefined {
  const at = orders.findIndex(wanted)
  if (at < 0) return undefined
  const order = orders[at]!
  if (--order.count === 0) orders.splice(at, 1)
  return order
}
