import { forgetOld } from '@lockstep/service'
import type { Context } from '../context.ts'
import { forgetAuditPage } from '../db/audit-entries.ts'

/** Entries in one transaction. */
const page = 2_000

/** Takes entries of the audit log away that are older than they are kept. */
export function forgetAuditEntries(ctx: Context): Promise<void> {
  return forgetOld(ctx, {
    what: 'audit entries',
    days: ctx.config.auditRetentionDays,
    forgetPage: async (before) => {
      const rows = await forgetAuditPage(ctx.db, before, page)
      return { rows, more: rows > 0 }
    },
  })
}
