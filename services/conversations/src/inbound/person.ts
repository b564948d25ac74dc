import type { InboundPerson } from '@lockstep/rpc/gen/contacts'
import type { AppContact, ThreadMessage, UserIdUpdate, UserPreference } from '@lockstep/whatsapp'
import { isInbound } from './message-types.ts'

type Timed<Element> = Element & { timestampMs: number }

/** A person as `contacts` takes one, but for the call's own ref. */
export type KnownPerson = Omit<InboundPerson, 'ref'>

/** What is known of a person, without the rest; the time is that of the element. */
type KnownFields = { [Field in keyof KnownPerson]?: KnownPerson[Field] | undefined } & {
  atMs: number
}

/** Whether anything names the person. */
export const isIdentified = ({ waId, userId }: KnownPerson): boolean => waId !== '' || userId !== ''

/** The person who wrote or got a message. */
export function personOfMessage(message: Timed<ThreadMessage>): KnownPerson {
  const { from, userId, parentUserId, move, groupId, stopText, timestampMs } = message
  const { profileName, username, button, stopOnly, wamid } = message
  const ids = move
    ? { ...move.to, movedFromWaId: move.from.waId, movedFromUserId: move.from.userId }
    : { waId: from, userId, parentUserId }
  // Who writes to a group has said nothing to the number itself.
  const silent = !isInbound(message) || groupId !== undefined
  return person({
    ...ids,
    ...{ profileName, username, button, stopOnly, wamid, silent },
    text: stopText,
    atMs: timestampMs,
  })
}

/** A person who chose about marketing inside WhatsApp. */
export function personOfPreference({
  waId,
  userId,
  parentUserId,
  preference,
  signupId,
  timestampMs,
}: Timed<UserPreference>): KnownPerson {
  const wamid = signupId && `sign-up ${signupId}`
  return person({ waId, userId, parentUserId, preference, wamid, silent: true, atMs: timestampMs })
}

/** A person who has another user id. */
export function personOfIdUpdate({
  waId,
  parentUserId,
  previous,
  current,
  timestampMs,
}: Timed<UserIdUpdate>): KnownPerson {
  const ids = { waId, parentUserId, userId: current, movedFromUserId: previous }
  return person({ ...ids, silent: true, atMs: timestampMs })
}

/** A person whom the phone's address book names. */
export function personOfAppContact({
  waId,
  userId,
  name,
  timestampMs,
}: Timed<AppContact>): KnownPerson {
  return person({ waId, userId, givenName: name, silent: true, atMs: timestampMs })
}

/** A person as `contacts` takes one, where what is not known is empty. */
function person({ atMs, ...known }: KnownFields): KnownPerson {
  const given = Object.fromEntries(
    Object.entries(known).filter(([, value]) => value !== undefined),
  ) as Partial<KnownPerson>
  return { ...unknownPerson, ...given, atMs }
}

const unknownPerson: Omit<KnownPerson, 'atMs'> = {
  accountId: '',
  waId: '',
  userId: '',
  parentUserId: '',
  movedFromWaId: '',
  movedFromUserId: '',
  profileName: '',
  givenName: '',
  username: '',
  text: '',
  wamid: '',
  preference: '',
  button: false,
  stopOnly: false,
  silent: false,
}
