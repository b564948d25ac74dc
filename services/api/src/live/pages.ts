import { AppError } from '@lockstep/contracts'

/**
 * Rows of a list as text, page after page, the next one read when the reader has taken the one
 * before. Throws when the signal fires, so that a part is never taken for the whole.
 */
export async function* pagesOf<Row extends { id: string }>(
  {
    first,
    readAfter,
    limit,
    text,
  }: {
    first: readonly Row[]
    readAfter(cursor: string): Promise<readonly Row[]>
    /** Of a page; one with fewer rows is the last. */
    limit: number
    text(rows: readonly Row[]): string
  },
  signal: AbortSignal,
): AsyncGenerator<string> {
  for (let rows = first; rows.length > 0; rows = await readAfter(rows.at(-1)!.id)) {
    if (signal.aborted) throw new AppError('busy', 'The download was ended before it was whole')
    yield text(rows)
    if (rows.length < limit) return
  }
}
