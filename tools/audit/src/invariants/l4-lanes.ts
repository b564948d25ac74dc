import { setTimeout as delay } from 'node:timers/promises'
import { openLaneView, type PartitionConsumer } from '@lockstep/messaging'
import { batches } from '../ground-truth.ts'
import type { Invariant, Run, Settings } from '../invariant.ts'

const lookAgainMs = 250

const columns = 'stream text, consumer text, pending bigint, unacknowledged bigint'

export const lanesAreEmpty: Invariant = {
  id: 'L4',
  statement:
    "Once all is done, no consumer of a lane's stream has a message that is pending or not acknowledged, and keeps it.",
  means:
    'A wake-up is with nobody, or with a worker that does not answer: the next work of its partition waits until it is given out again.',
  rows: 'afterLog',
  needs: 'nats',
  onlySettled: true,
  prepare: loadConsumers,
  checked: 'select count(*) from lane_consumers',
  violations:
    'select * from lane_consumers where pending + unacknowledged > 0 order by stream, consumer',
}

/** What is woken just now is handled in a moment: they are looked at again until none is busy, or time is up. */
async function loadConsumers(run: Run, { natsUrl, settledSeconds }: Settings): Promise<void> {
  const { host } = new URL(natsUrl!.split(',')[0]!)
  await using view = await openLaneView({ url: natsUrl!, name: 'lockstep-audit' }).catch(
    (cause) => {
      throw new Error(`NATS does not answer at ${host}: L4 can't be checked`, { cause })
    },
  )
  const until = performance.now() + settledSeconds * 1_000
  let found = await view.consumers()
  while (found.some(isBusy) && performance.now() < until) {
    await delay(lookAgainMs)
    found = await view.consumers()
  }
  await run(`create temp table lane_consumers (${columns}) on commit drop`)
  const rows = batches(run, 'lane_consumers', columns)
  for (const each of found) await rows.add(each)
  await rows.flush()
}

const isBusy = ({ pending, unacknowledged }: PartitionConsumer) => pending + unacknowledged > 0
