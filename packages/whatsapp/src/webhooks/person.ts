import { cleanJson, isObject, type JsonObject, listOf, objectOf, textOf } from '../json.ts'
import { idsOf, type MetaIds, userIdOf } from '../meta-ids.ts'
import { matchKey } from '../number.ts'

/**
 * A person whom an element is about, by its own ids and those of their entry in the value's
 * `contacts`.
 */
export interface Person extends MetaIds {
  /** Of the same person for all portfolios of a parent business. */
  parentUserId: string | undefined
  profileName: string | undefined
  /** WhatsApp shows it in place of the number. */
  username: string | undefined
}

/** What an element itself says of its person. */
interface OwnIds extends MetaIds {
  parentUserId: string | undefined
  /** It names somebody, readably or not. */
  isNamed: boolean
}

/** Finds the people of one value. */
export interface Directory {
  /** Completes an element's ids by the entry of `contacts` that is the same person. */
  find(own: OwnIds): Person
}

/**
 * An element's person is the entry with its user id or number; else the only entry, if the element
 * stands alone or names nobody, and nothing contradicts.
 */
export function directoryOf(value: JsonObject, list: string): Directory {
  const entries = listOf(value.contacts).filter(isObject).map(readEntry)
  const byUserId = new Map(
    entries.flatMap((entry) =>
      entry.userId === undefined ? [] : [[entry.userId, entry] as const],
    ),
  )
  const byNumber = new Map(
    entries.flatMap((entry) =>
      entry.waId === undefined ? [] : [[matchKey(entry.waId), entry] as const],
    ),
  )
  const only = entries.length === 1 ? entries[0] : undefined
  const isAlone = listOf(value[list]).filter(isObject).length === 1

  function entryOf({ isNamed, ...own }: OwnIds): Person | undefined {
    const { waId, userId } = own
    const named = (userId && byUserId.get(userId)) || (waId && byNumber.get(matchKey(waId)))
    if (named) return named
    return only && (!isNamed || (isAlone && !contradicts(only, own))) ? only : undefined
  }

  return {
    find(own) {
      const entry = entryOf(own)
      return {
        waId: own.waId ?? entry?.waId,
        userId: own.userId ?? entry?.userId,
        parentUserId: own.parentUserId ?? entry?.parentUserId,
        profileName: entry?.profileName,
        username: entry?.username,
      }
    },
  }
}

function readEntry(entry: JsonObject): Person {
  const { name, username } = objectOf(cleanJson(entry.profile))
  return {
    ...idsOf(entry.wa_id, entry.user_id),
    parentUserId: userIdOf(entry.parent_user_id),
    profileName: textOf(name),
    username: textOf(username),
  }
}

/** Two people have two numbers, or two user ids. */
function contradicts(a: MetaIds, b: MetaIds): boolean {
  const numbers =
    a.waId !== undefined && b.waId !== undefined && matchKey(a.waId) !== matchKey(b.waId)
  return numbers || (a.userId !== undefined && b.userId !== undefined && a.userId !== b.userId)
}
