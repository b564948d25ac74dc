/** A fact that either holds or does not, whatever the machine. */
export interface Check {
  what: string
  found: string
  reach: string
  ok: boolean
}
