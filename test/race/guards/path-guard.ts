import type { Guard, Layer, Scenario, Work } from '../scenario.ts'

/** One guard of the way from a campaign to a person and back, raced without those that would catch the same. */
export interface PathGuard<Subject = unknown> {
  name: string
  work: Work<Subject>
  taken: Guard
  /** What is taken away with it and without it, by name; nothing where it alone protects. */
  beside: Record<string, Guard>
  /** What goes wrong without it, in words. */
  wrong: string
}

/** Keeps a guard's own subject type where it is written, and lets all stand in one list. */
export const pathGuard = <Subject>(given: PathGuard<Subject>): PathGuard =>
  given as unknown as PathGuard

/** Layers of a scenario by their names, to be taken away beside a guard. */
export const layersOf = ({ guards }: Scenario, ...chosen: Layer[]): Record<string, Guard> =>
  Object.fromEntries(chosen.map((layer) => [layer, guards[layer]!]))
