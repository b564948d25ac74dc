import type { Tx } from '@lockstep/database'
import { counter } from '@lockstep/telemetry'
import { moveTags } from '../db/contact-tags.ts'
import { dropValues, indexValues } from '../db/contact-values.ts'
import {
  copyRefusals,
  fillFields,
  type MergePair,
  markMerged,
  moveIdentitiesOf,
  readRefusals,
} from '../db/merges.ts'
import type { Merge } from './plan-merges.ts'

const mergedContacts = counter(
  'lockstep_contacts_merged_total',
  'Contacts that turned out to be a person who was there already',
)

/** Merges locked contacts, whose refusals all stay once the caller has derived flags. */
export async function mergeContacts(tx: Tx, merges: readonly Merge[]): Promise<void> {
  if (merges.length === 0) return
  const pairs: MergePair[] = merges.flatMap(({ into, from }) =>
    from.map((id) => ({ id, intoId: into })),
  )
  await fillFields(tx, pairs)
  const refused = await readRefusals(tx, pairs)
  await moveIdentitiesOf(tx, pairs)
  await markMerged(tx, pairs)
  await moveTags(tx, pairs)
  await indexValues(
    tx,
    merges.map(({ into }) => into),
  )
  await dropValues(
    tx,
    pairs.map(({ id }) => id),
  )
  await copyRefusals(tx, refused)
  tx.afterCommit(() => mergedContacts(pairs.length))
}
