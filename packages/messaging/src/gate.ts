/** Lets a limited number in; whoever waits gets in in order of arrival, so that nobody starves. */
export interface Gate {
  /** Resolves to the function that leaves again; undefined when the gate was closed. */
  enter(): Promise<(() => void) | undefined>
  /** Turns away all who wait and all who come. */
  close(): void
  readonly waiting: number
}

/** Opens a gate with this many places. */
export function openGate(places: number): Gate {
  let free = places
  let closed = false
  const queue: ((leave: (() => void) | undefined) => void)[] = []
  const admit = () => {
    let inside = true
    return () => {
      if (!inside) return
      inside = false
      const next = queue.shift()
      if (next) next(admit())
      else free += 1
    }
  }
  return {
    async enter() {
      if (closed) return undefined
      if (free === 0) return new Promise((resolve) => queue.push(resolve))
      free -= 1
      return admit()
    },
    close() {
      closed = true
      for (const turnAway of queue.splice(0)) turnAway(undefined)
    },
    get waiting() {
      return queue.length
    },
  }
}
