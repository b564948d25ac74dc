import type { Context } from '../context.ts'
import { forgetSignUpPage } from '../db/sign-ups.ts'

/** Rows in one transaction. */
const page = 1_000

/** Takes sign-ups away, with the tokens of those that were given up. */
export async function forgetSignUps(ctx: Context): Promise<void> {
  const before = new Date(ctx.now() - ctx.times.signUpKeptMs)
  while ((await forgetSignUpPage(ctx.db, before, page)) >= page);
}
