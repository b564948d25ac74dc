/** A limited number of places; whoever waits gets one in order of arrival. */
export interface Semaphore {
  /** Resolves to the function that frees the place again; undefined when it was closed. */
  acquire(): Promise<(() => void) | undefined>
  /** Gives no place to those who wait and to those who come. */
  close(): void
  readonly waiting: number
}

export function openSemaphore(places: number): Semaphore {
  let free = places
  let isClosed = false
  const queue: ((release: (() => void) | undefined) => void)[] = []
  const occupy = () => {
    let isFreed = false
    return () => {
      if (isFreed) return
      isFreed = true
      const next = queue.shift()
      if (next) next(occupy())
      else free += 1
    }
  }
  return {
    async acquire() {
      if (isClosed) return undefined
      if (free === 0) return new Promise((resolve) => queue.push(resolve))
      free -= 1
      return occupy()
    },
    close() {
      isClosed = true
      for (const refuse of queue.splice(0)) refuse(undefined)
    },
    get waiting() {
      return queue.length
    },
  }
}
