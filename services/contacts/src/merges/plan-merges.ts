/** Contacts that turned out to be one person with an older one. */
export interface Merge {
  into: string
  from: string[]
}

interface MergePlan {
  merges: Merge[]
  /** The contact that a member becomes. */
  survivorOf: (id: string) => string
}

/** Lists that share a contact are one person, whose oldest contact stays (ids sort by age). */
export function planMerges(lists: readonly string[][]): MergePlan {
  const parents = new Map<string, string>()
  const survivorOf = (id: string): string => {
    let root = id
    for (let next = parents.get(root); next !== undefined; next = parents.get(root)) root = next
    return root
  }
  for (const [first, ...rest] of lists)
    for (const other of rest) {
      const [older, younger] = [survivorOf(first!), survivorOf(other)].sort() as [string, string]
      if (older !== younger) parents.set(younger, older)
    }
  const merges = Map.groupBy([...parents.keys()], survivorOf)
  return { survivorOf, merges: [...merges].map(([into, from]) => ({ into, from: from.sort() })) }
}
