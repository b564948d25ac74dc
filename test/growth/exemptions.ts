/** A statement that may go through a table that grows, and why that costs nothing that grows. */
export interface Exemption {
  table: string
  /** What the statement holds, white space as one space. */
  text: string
  reason: string
}

export const exemptions: readonly Exemption[] = []
