import { attemptUnique, claimCas, claimSeesPause } from './claim.ts'
import { consentCheck } from './consent.ts'
import { eventPositions } from './event-positions.ts'
import { fenceOfPreparing, fenceOfSync } from './fence.ts'
import { appBinding, numbersOfTheApp, tokenTag } from './forged-status.ts'
import { lastOwner } from './last-owner.ts'
import { forgottenStaysForgotten, oneContact } from './one-contact.ts'
import { oneIdentity, oneOwner } from './one-number.ts'
import type { PathGuard } from './path-guard.ts'
import { rowLockOrder } from './row-lock-order.ts'

/** The guards of the main path, in the order in which a message meets them. */
export const pathGuards: readonly PathGuard[] = [
  fenceOfPreparing,
  fenceOfSync,
  claimCas,
  attemptUnique,
  claimSeesPause,
  consentCheck,
  tokenTag,
  appBinding,
  numbersOfTheApp,
  oneOwner,
  oneIdentity,
  rowLockOrder,
  lastOwner,
  eventPositions,
  oneContact,
  forgottenStaysForgotten,
]
