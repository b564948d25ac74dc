import { setTimeout as delay } from 'node:timers/promises'
import {
  aliveSubject,
  consumerName,
  instances,
  type LaneName,
  type Liveness,
  lanes,
  wakeSubject,
} from '@lockstep/contracts'
import { NoRespondersError, RequestError } from '@nats-io/nats-core'
import { nak } from './lease.ts'
import type { Link } from './link.ts'
import { counted } from './metrics.ts'

/** `gone`: nobody listens; `mute`: connected without an answer; `unknown`: NATS is away. */
type Answer = 'alive' | 'gone' | 'mute' | 'unknown'

/** So often NATS is asked while Redis hears nothing of this process. */
const lookEveryMs = 250
/** It begins to when this little certainty is left. */
const littleMs = 600

/** Answers that this process lives, and redelivers what dead ones had. */
export async function watchDeadProcesses(link: Link, liveness: Liveness): Promise<Disposable> {
  const { nc, log, scale } = link
  const stop = new AbortController()
  /** Those whom Redis has last named, and those who are being asked. */
  let silent: readonly string[] = []
  const asked = new Set<string>()

  const answers = nc.subscribe(aliveSubject(liveness.id), {
    callback: (_err, msg) => void msg.respond(),
  })
  await nc.flush().catch(() => undefined) // whoever is listed must be found listening

  const ask = async (id: string) => {
    if (asked.has(id) || id === liveness.id) return
    asked.add(id)
    try {
      const deliveries = await untilDead(
        link,
        liveness,
        id,
        () => silent.includes(id) && !stop.signal.aborted,
      )
      if (!deliveries) return
      counted.deadFound()
      log.warn(
        { instance: id, deliveries: deliveries.length },
        'a process is dead; what it held is given to others',
      )
      await Promise.all(deliveries.map((subject) => redeliver(link, subject)))
    } catch (err) {
      log.debug(
        { err, instance: id },
        'a process that may be dead could not be looked after; what it held waits for ack_wait',
      )
    } finally {
      asked.delete(id)
    }
  }
  const following = liveness.follow((ids) => {
    silent = ids
    for (const id of ids) void ask(id)
  })
  const look = setInterval(() => {
    if (liveness.certainForMs() > littleMs * scale) return
    const sentAt = performance.now()
    nc.flush().then(
      () => liveness.answered(sentAt),
      () => undefined,
    )
  }, lookEveryMs * scale).unref()
  return {
    [Symbol.dispose]() {
      stop.abort()
      clearInterval(look)
      following[Symbol.dispose]()
      answers.unsubscribe()
    },
  }
}

/** The deliveries of a process once it is declared dead; null when it lives or another was first. */
async function untilDead(
  link: Link,
  liveness: Liveness,
  id: string,
  isSilent: () => boolean,
): Promise<readonly string[] | null> {
  const { scale } = link
  const since = performance.now()
  let goneSince = Number.POSITIVE_INFINITY
  while (isSilent()) {
    const askedAt = performance.now()
    const answer = await askFor(link, id)
    if (answer === 'alive' || answer === 'unknown') return null
    goneSince = answer === 'gone' ? Math.min(goneSince, askedAt) : Number.POSITIVE_INFINITY
    const isGone = askedAt - goneSince >= instances.confirmMs * scale
    const isMute = performance.now() - since >= instances.unansweredMs * scale
    const deliveries =
      isGone || isMute
        ? await liveness.declareDead(id, isGone ? instances.silentMs : instances.ttlMs)
        : null
    if (deliveries) return deliveries
    await delay(instances.confirmMs * scale)
  }
  return null
}

async function askFor({ nc, scale }: Link, id: string): Promise<Answer> {
  try {
    await nc.request(aliveSubject(id), '', { timeout: instances.confirmMs * scale })
    return 'alive'
  } catch (err) {
    if (err instanceof NoRespondersError || (err instanceof RequestError && err.isNoResponders()))
      return 'gone'
    return nc.isClosed() || !(await isReachable(nc)) ? 'unknown' : 'mute'
  }
}

/** A time-out says nothing of the other side unless the server is there. */
async function isReachable(nc: Link['nc']): Promise<boolean> {
  return Promise.race([
    nc.flush().then(
      () => true,
      () => false,
    ),
    delay(1_000, false, { ref: false }),
  ])
}

/** A late answer would count for the next message, so one that moved on is left alone. */
async function redeliver({ nc, jsm }: Link, replySubject: string): Promise<void> {
  const tokens = replySubject.split('.')
  const [stream, consumer, , , sequence] = tokens.length < 11 ? tokens.slice(2) : tokens.slice(4)
  const { delivered, num_ack_pending } = await jsm.consumers.info(stream!, consumer!)
  if (num_ack_pending === 0 || delivered.consumer_seq !== Number(sequence)) return
  nc.publish(replySubject, nak())
  counted.redelivered()
  const number = consumer!.slice(consumer!.lastIndexOf('-') + 1)
  const lane = (Object.keys(lanes) as LaneName[]).find(
    (name) => consumerName(name, Number(number)) === consumer,
  )
  if (lane) nc.publish(wakeSubject(lane), number)
}
