import { forgetOld } from '@lockstep/service'
import type { Context } from '../context.ts'
import { deleteOldConsents, deleteOldImports } from '../db/old-rows.ts'

/** Rows that one transaction looks at. */
const page = 1_000

/** Takes away imports that ended longer ago than they are kept, with their refused rows. */
export function forgetImports(ctx: Context): Promise<void> {
  return forgetOld(ctx, {
    what: 'imports',
    days: ctx.config.importRetentionDays,
    forgetPage: (before) => deleteOldImports(ctx.db, before, page),
  })
}

/** Takes away consents that have been said again for longer than they are kept. */
export function forgetConsents(ctx: Context): Promise<void> {
  return forgetOld(ctx, {
    what: 'consents',
    days: ctx.config.consentRetentionDays,
    forgetPage: (before) => deleteOldConsents(ctx.db, before, page),
  })
}
