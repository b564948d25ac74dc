import type { Tenant, TestSystem } from '@lockstep/testing/system'

/** One kind of webhook that Meta sends, and the rows that it leads to. */
export interface Kind {
  /**
   * Says what it is; the body is `fixtures/<name>.json`, with {waba}, {number} and {app} for the
   * tenant's own ids, {first} and {second} for times.
   */
  name: string
  /** Makes what is there before, beyond a tenant with a connected number and synced templates. */
  given?: (stack: TestSystem, tenant: Tenant) => Promise<void>
  /**
   * Fixtures that Meta posted before. With them there is a second run in which this one arrives first, for Meta promises no order: it
   * must come to the same rows.
   */
  after?: string[]
  /** What becomes of every part of the body, as the gateway notes it. */
  outcome: string
  /**
   * The tenant's rows in the end: exactly these, in any order, compared by the columns that are named. A source is a table, perhaps
   * with a condition ("contacts.contacts where merged_into is null"). Times are ISO texts, {first} and {second} those of the body; serial
   * numbers are texts.
   */
  rows: Record<string, Record<string, unknown>[]>
}
