import { type LockName, locks } from '@lockstep/contracts'
import { counter, histogram } from '@lockstep/telemetry'

/** How many keys of each lock a hold has: a batch of 60 keys is counted by name, not 60 times. */
export type Tally = ReadonlyMap<LockName, number>

const names = Object.keys(locks) as LockName[]
/** Made once: most holds have one key. */
const singles = Object.fromEntries(
  names.map((name) => [name, new Map([[name, 1]])]),
) as unknown as Record<LockName, Tally>
const labels = Object.fromEntries(names.map((lock) => [lock, { lock }])) as Record<
  LockName,
  { lock: string }
>

/** The tally of one key. */
export const single = (name: LockName): Tally => singles[name]

const byName = (record: (n: number, labels: { lock: string }) => void) => (tally: Tally) => {
  for (const [lock, n] of tally) record(n, labels[lock])
}

const secondsByName =
  (record: (seconds: number, labels: { lock: string }) => void) => (tally: Tally, ms: number) => {
    for (const lock of tally.keys()) record(ms / 1000, labels[lock])
  }

/** Counters of keys and histograms of holds, each by lock name; ids are never labels. */
export const lockMetrics = {
  acquired: byName(counter('lockstep_lock_acquired', 'Lock keys acquired')),
  busy: byName(
    counter('lockstep_lock_busy', 'Lock keys refused at once because another holds them'),
  ),
  timeout: byName(
    counter('lockstep_lock_timeout', 'Lock keys not acquired within the time a caller waits'),
  ),
  unavailable: byName(
    counter('lockstep_lock_unavailable', 'Lock keys not acquired because Redis is away'),
  ),
  takenOver: byName(
    counter('lockstep_lock_taken_over', 'Lock keys taken over from a dead process'),
  ),
  lost: byName(counter('lockstep_lock_lost', 'Lock keys lost while they were held')),
  wait: secondsByName(
    histogram('lockstep_lock_wait_seconds', 'From asking for a lock to having it', 's'),
  ),
  held: secondsByName(
    histogram('lockstep_lock_held_seconds', 'From having a lock to releasing it', 's'),
  ),
}
