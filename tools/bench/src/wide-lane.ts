/** A lane that is worked on in sets. Its entries stand in the worker's own rows: nothing but the lane itself is measured. */
export const wideLane = 'contacts.identity-updates'
