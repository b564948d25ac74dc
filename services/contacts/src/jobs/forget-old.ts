import { forgetOld } from '@lockstep/service'
import type { Context } from '../context.ts'
import { deleteOldConsents, deleteOldImports } from '../db/old-rows.ts'

/** Rows that one transaction looks at. */
const page = 1_000

/** Deletes imports that ended longer ago than they are retained, with their refused rows. */
export function forgetImports(ctx: Context): Promise<void> {
  return forgetOld(ctx, {
    what: 'imports',
    days: ctx.config.importRetentionDays,
    forgetPage: (before) => deleteOldImports(ctx.db, before, page),
  })
}

/** Deletes consents that were said again longer ago than they are retained. */
export function forgetConsents(ctx: Context): Promise<void> {
  return forgetOld(ctx, {
    what: 'consents',
    days: ctx.config.consentRetentionDays,
    forgetPage: (before) => deleteOldConsents(ctx.db, before, page),
  })
}
