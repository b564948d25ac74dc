import { laneSettings } from '@lockstep/contracts'

/** The times of this service, ms. */
export const times = {
  // An import gives its place back after this, so that other accounts have their turn.
  importSliceMs: laneSettings.sliceMs,
  // Between two looks of a file that waits for another import of its account.
  importRetryMs: 2_000,
  // No caller's deadline is longer: an upload without an import is given up by then.
  uploadAbandonedMs: 3_600_000,
}
