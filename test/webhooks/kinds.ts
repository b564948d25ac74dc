import type { Kind } from './kind.ts'
import { accountKinds } from './kinds-account.ts'
import { keptKinds } from './kinds-kept.ts'
import { messageKinds } from './kinds-messages.ts'
import { peopleKinds } from './kinds-people.ts'
import { phoneAppKinds } from './kinds-phone-app.ts'
import { statusKinds } from './kinds-statuses.ts'
import { templateKinds } from './kinds-template.ts'

/** Every kind has its place: what is acted upon leads to rows, the rest is kept with its outcome. */
export const kinds: readonly Kind[] = [
  ...messageKinds,
  ...peopleKinds,
  ...statusKinds,
  ...templateKinds,
  ...accountKinds,
  ...phoneAppKinds,
  ...keptKinds,
]
