import type { Context } from '../context.ts'
import { abandonedUploads, discardUpload } from '../db/import-chunks.ts'

export const dropEveryMs = 600_000

/** Removes the files of uploads whose process died. */
export async function dropAbandonedUploads(ctx: Context): Promise<void> {
  const before = new Date(ctx.now() - ctx.times.uploadAbandonedMs)
  for (const { accountId, importId } of await ctx.db.system((tx) => abandonedUploads(tx, before))) {
    await ctx.db.transaction(accountId, (tx) => discardUpload(tx, importId))
    ctx.log.info({ importId }, 'An abandoned upload was removed')
  }
}
