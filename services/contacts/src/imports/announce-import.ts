import type { Tx } from '@lockstep/database'
import { announce } from '@lockstep/feeds'
import type { Context } from '../context.ts'
import type { Import } from '../db/entities.ts'

type Progress = Pick<
  Import,
  | ('id' | 'state' | 'totalBytes' | 'doneBytes' | 'rows')
  | ('created' | 'updated' | 'duplicates' | 'rejected' | 'failure')
>

/** Tells those who follow the account how far an import is. */
export function announceImport(ctx: Context, tx: Tx, progress: Progress): Promise<void> {
  const { id, totalBytes, doneBytes, state, rows, failure } = progress
  const { created, updated, duplicates, rejected } = progress
  const counts = { rows, created, updated, duplicates, rejected }
  const bytes = { total_bytes: totalBytes, done_bytes: doneBytes }
  const body = { state, ...bytes, ...counts, failure }
  return announce(ctx, tx, { kind: 'import.progress', subjectId: id, body })
}
