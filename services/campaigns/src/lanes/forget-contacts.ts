import { forgetContactsBy } from '@lockstep/service'
import type { Context } from '../context.ts'
import { blankRecipients } from '../db/blank-recipients.ts'

/** Recipients stay in their campaigns and in all counts, without number, user id and values. */
export const forgetContacts = forgetContactsBy<Context>(blankRecipients)
