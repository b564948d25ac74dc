import { type LaneName, wakeSubject } from '@lockstep/contracts'
import { injectTrace } from '@lockstep/telemetry'
import { headers, type MsgHdrs } from '@nats-io/nats-core'
import type { Link } from './link.ts'
import { counted } from './metrics.ts'
import { openWakeUpAcks } from './wake-up-acks.ts'

interface Partition {
  lane: LaneName
  partition: number
  /** Woken since the last send. */
  isDue: boolean
  /** Woken since its last message was stored: its worker was told, and one more is stored later. */
  isUnstored: boolean
  /** Runs from a stored message on until the next one may be stored. */
  pause?: NodeJS.Timeout | undefined
  /** The trace of the first wake-up, if there is one: a message without headers is cheaper. */
  headers?: MsgHdrs | undefined
}

export interface WakeUps extends AsyncDisposable {
  wake(lane: LaneName, partition: number): void
  flush(): Promise<void>
}

/**
 * Wakes the workers of partitions: at once by one message to all workers of the lane, and by a
 * stored message for each partition, at most one within `storeEveryMs`.
 */
export function openWakeUps(link: Link): WakeUps {
  const partitions = new Map<string, Partition>()
  const due = new Set<Partition>()
  const acks = openWakeUpAcks(link)
  let timer: NodeJS.Timeout | undefined

  function wake(lane: LaneName, number: number): void {
    const id = `${lane} ${number}`
    let partition = partitions.get(id)
    if (!partition) {
      partition = { lane, partition: number, isDue: false, isUnstored: false }
      partitions.set(id, partition)
    }
    if (partition.isDue) return
    partition.isDue = true
    due.add(partition)
    timer ??= setTimeout(send, link.settings.debounceMs)
    injectTrace((name, value) => {
      partition.headers ??= headers()
      partition.headers.set(name, value)
    })
  }

  function send(): void {
    clearTimeout(timer)
    timer = undefined
    if (!link.isConnected()) return // all stay until the connection is back
    const byLane = Map.groupBy(due, ({ lane }) => lane)
    due.clear()
    for (const [lane, group] of byLane) {
      for (const partition of group) {
        partition.isDue = false
        if (partition.pause) partition.isUnstored = true
        else store(partition)
      }
      link.nc.publish(wakeSubject(lane), group.map(({ partition }) => partition).join(','))
    }
  }

  /** Sends the message that the server stores; nobody waits for its answer. */
  function store(partition: Partition): void {
    acks.publish(partition.lane, partition.partition, partition.headers)
    partition.headers = undefined
    partition.isUnstored = false
    partition.pause = setTimeout(() => endPause(partition), link.settings.storeEveryMs).unref()
  }

  /** Whoever took the stored message may be gone by now, so what came since is stored, too. */
  function endPause(partition: Partition): void {
    partition.pause = undefined
    if (partition.isUnstored && link.isConnected()) store(partition)
    else if (!partition.isDue && !partition.isUnstored)
      partitions.delete(`${partition.lane} ${partition.partition}`)
  }

  const reconnects = link.onReconnect(() => {
    for (const partition of partitions.values()) {
      clearPause(partition) // what was stored before may be lost
      if (partition.isUnstored) due.add(partition)
    }
    send()
  })

  async function flush(): Promise<void> {
    send()
    await acks.complete()
  }
  return {
    wake,
    flush,
    async [Symbol.asyncDispose]() {
      reconnects[Symbol.dispose]()
      if (link.isConnected())
        for (const partition of partitions.values())
          if (partition.isUnstored) due.add(clearPause(partition))
      await flush()
      for (const partition of partitions.values()) clearTimeout(partition.pause)
      for (const { lane } of due) counted.wakeUpFailures(1, { lane })
      clearTimeout(timer)
      acks[Symbol.dispose]()
    },
  }
}

function clearPause(partition: Partition): Partition {
  clearTimeout(partition.pause)
  partition.pause = undefined
  return partition
}
