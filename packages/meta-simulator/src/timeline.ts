/** Things that are to happen at their time, in one heap behind one timer: 100,000 waiting statuses cost no timer each. */
export interface Timeline<T> extends Disposable {
  /** Adds an item that is due at `dueMs` (ms since the epoch). */
  add(dueMs: number, item: T): void
  readonly size: number
  clear(): void
}

interface Entry<T> {
  dueMs: number
  /** Keeps items of the same moment in the order in which they came. */
  order: number
  item: T
}

const SLICE = 1_000
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** Opens a timeline that hands each item to `onDue` at its time, at most 1,000 between two iterations of the event loop. */
export function createTimeline<T>(onDue: (item: T, dueMs: number) => void): Timeline<T> {
  const heap: Entry<T>[] = []
  let order = 0
  let timer: NodeJS.Timeout | undefined
  let timerMs = Number.POSITIVE_INFINITY

  function arm(): void {
    const next = heap[0]?.dueMs ?? Number.POSITIVE_INFINITY
    if (next >= timerMs) return
    clearTimeout(timer)
    timerMs = next
    timer = setTimeout(run, Math.min(LONGEST_TIMER_MS, Math.max(0, next - Date.now())))
  }

  function run(): void {
    timerMs = Number.POSITIVE_INFINITY
    const now = Date.now()
    for (let done = 0; done < SLICE && heap.length > 0 && heap[0]!.dueMs <= now; done++) {
      const { item, dueMs } = pop(heap)
      onDue(item, dueMs)
    }
    arm()
  }

  return {
    add(dueMs, item) {
      push(heap, { dueMs, order: order++, item })
      arm()
    },
    get size() {
      return heap.length
    },
    clear() {
      heap.length = 0
      clearTimeout(timer)
      timerMs = Number.POSITIVE_INFINITY
    },
    [Symbol.dispose]() {
      this.clear()
    },
  }
}

function before(a: Entry<unknown>, b: Entry<unknown>): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order)
}

function push<T>(heap: Entry<T>[], entry: Entry<T>): void {
  let at = heap.length
  heap.push(entry)
  while (at > 0) {
    const parent = (at - 1) >> 1
    if (!before(entry, heap[parent]!)) break
    heap[at] = heap[parent]!
    at = parent
  }
  heap[at] = entry
}

function pop<T>(heap: Entry<T>[]): Entry<T> {
  const top = heap[0]!
  const last = heap.pop()!
  if (heap.length === 0) return top
  let at = 0
  for (;;) {
    let child = 2 * at + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++
    if (!before(heap[child]!, last)) break
    heap[at] = heap[child]!
    at = child
  }
  heap[at] = last
  return top
}
