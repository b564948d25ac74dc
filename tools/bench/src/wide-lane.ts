import type { LaneName } from '@lockstep/contracts'

/** A lane whose entries stand in the rows of the service that works on them: nothing but the lane itself is measured. */
export const wideLane: LaneName = 'templates.sync'
