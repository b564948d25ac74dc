import { type ServiceName, services } from '../gen/services.ts'
import { type LaneRow, lanes } from './streams.ts'

/** Who may call a service: the common name of a certificate's subject. */
export type Caller = ServiceName | 'operator'

export const allCallers: readonly Caller[] = [...services, 'operator']

/** The services that work on lanes whose rows wait in another one. */
export function workersOf(producer: ServiceName): ServiceName[] {
  const rows: LaneRow[] = Object.values(lanes)
  const theirs = rows.filter((lane) => lane.producer === producer && lane.worker !== producer)
  return [...new Set(theirs.map((lane) => lane.worker))]
}
