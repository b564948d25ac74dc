/** The times of this service, ms. */
export const times = {
  // A status may arrive before the answer that names its message is committed.
  statusMatchMs: 60_000,
  // Between two looks for that message; each wait is as long as the part has waited.
  statusRecheckMs: 2_000,
}
