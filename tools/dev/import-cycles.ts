import type { Breach } from './import-rules.ts'
import { knownCycles } from './import-tables.ts'
import type { ParsedSource } from './source-imports.ts'
import { targetFile, type Workspaces } from './workspaces.ts'

/** Files that reach one another, each set sorted. Types count: a reader follows them too. */
function findCycles(sources: readonly ParsedSource[], workspaces: Workspaces): string[][] {
  const files = new Set(sources.map(({ file }) => file))
  const targets = new Map(
    sources.map(({ file, imports }) => [
      file,
      imports.map((one) => targetFile(one, workspaces)).filter((to) => to && files.has(to)),
    ]),
  ) as Map<string, string[]>
  return stronglyConnected(targets).filter(
    (set) => set.length > 1 || targets.get(set[0]!)!.includes(set[0]!),
  )
}

/**
 * Cycles that aren't known, each at an import that closes it; and known ones that are mended or not
 * whole any more.
 */
export function checkCycles(
  sources: readonly ParsedSource[],
  workspaces: Workspaces,
  known: readonly (readonly string[])[] = knownCycles,
): Breach[] {
  const cycles = findCycles(sources, workspaces)
  const nameOf = (set: readonly string[]) => set.toSorted().join(' ')
  const found = new Set(cycles.map(nameOf))
  const knownNames = new Set(known.map(nameOf))
  const mended = known.filter((set) => !found.has(nameOf(set)))
  return [
    ...cycles
      .filter((set) => !knownNames.has(nameOf(set)))
      .map((set) => cycleBreach(set, sources, workspaces)),
    ...mended.map((set) => ({
      file: set[0]!,
      line: 1,
      rule: `these form no cycle any more: remove ${set.join(', ')} from knownCycles`,
    })),
  ]
}

function cycleBreach(
  set: readonly string[],
  sources: readonly ParsedSource[],
  workspaces: Workspaces,
): Breach {
  const inside = new Map(
    sources.flatMap(({ file, imports }) => {
      if (!set.includes(file)) return []
      const steps = imports.map((one) => ({
        to: targetFile(one, workspaces) ?? '',
        line: one.line,
      }))
      return [[file, steps.filter(({ to }) => set.includes(to))]]
    }),
  )
  const [shortest = []] = set
    .map((file) => shortestLoop(file, inside))
    .sort((a, b) => a.length - b.length)
  const [first] = shortest
  const arrows = [...shortest.map(({ file }) => file), first?.file].join(' → ')
  const others = set.filter((file) => !shortest.some((step) => step.file === file))
  const more = others.length > 0 ? `; with it hang ${others.join(', ')}` : ''
  return {
    file: first?.file ?? '',
    line: first?.line ?? 1,
    rule: `a cycle of imports (types count): ${arrows}; move what they share to a file below them${more}`,
  }
}

interface Step {
  file: string
  line: number
}

/** The shortest way from a file back to it: each file on it with the line that leads on. */
function shortestLoop(
  start: string,
  inside: ReadonlyMap<string, readonly { to: string; line: number }[]>,
): Step[] {
  const cameFrom = new Map<string, Step>()
  const queue = [start]
  for (const file of queue) {
    for (const { to, line } of inside.get(file)!) {
      if (cameFrom.has(to)) continue
      cameFrom.set(to, { file, line })
      queue.push(to)
    }
  }
  const loop: Step[] = []
  for (let step = cameFrom.get(start)!; ; step = cameFrom.get(step.file)!) {
    loop.unshift(step)
    if (step.file === start) return loop
  }
}

/** Tarjan's strongly connected components. */
function stronglyConnected(targets: ReadonlyMap<string, readonly string[]>): string[][] {
  const index = new Map<string, number>()
  const low = new Map<string, number>()
  const path: string[] = []
  const onPath = new Set<string>()
  const sets: string[][] = []
  const visit = (file: string): number => {
    const number = index.size
    index.set(file, number)
    low.set(file, number)
    path.push(file)
    onPath.add(file)
    for (const to of targets.get(file)!) {
      const reached = index.has(to) ? (onPath.has(to) ? index.get(to)! : number) : visit(to)
      low.set(file, Math.min(low.get(file)!, reached))
    }
    if (low.get(file) === number) {
      const set = path.splice(path.indexOf(file))
      for (const one of set) onPath.delete(one)
      sets.push(set.sort())
    }
    return low.get(file)!
  }
  for (const file of targets.keys()) if (!index.has(file)) visit(file)
  return sets
}
