import type { Context } from '../context.ts'
import { forgetResetPage } from '../db/password-resets.ts'
import { forgetSessionPage } from '../db/sessions.ts'
import { forgetCountPage } from '../db/sign-in-counts.ts'
import { inUse } from '../people/sessions.ts'

/** Rows in one transaction. */
const page = 1_000

/** Takes sessions and links to a new password away that are over, and counts of tries that say nothing any more. */
export async function forgetSignIns(ctx: Context): Promise<void> {
  const { at, unusedSince } = inUse(ctx)
  const begunBefore = new Date(at.getTime() - ctx.times.signInWindowMs)
  while ((await forgetSessionPage(ctx.db, { at, unusedSince }, page)) >= page);
  while ((await forgetResetPage(ctx.db, at, page)) >= page);
  while ((await forgetCountPage(ctx.db, begunBefore, page)) >= page);
}
