import { forgetContactsBy } from '@lockstep/service'
import type { Context } from '../context.ts'
import { blankMessages } from '../db/blank-messages.ts'

/** Messages stay in their places and in all counts, without what was written or sent. */
export const forgetContacts = forgetContactsBy<Context>(blankMessages)
