import { isObject, type JsonObject, listOf, objectOf } from '../json.ts'
import { waIdOf } from '../meta-ids.ts'
import { type Directory, directoryOf } from './person.ts'
import type { WebhookChange } from './webhook-body.ts'

/** An item of one of the lists of a change. */
export interface Element {
  item: JsonObject
  phoneNumberId: string
  /** The number itself, in digits, as far as the value tells it. */
  ownNumber: string | undefined
  wabaId: string | undefined
  /** Those whom the value's `contacts` name, read when they are asked for. */
  people(): Directory
}

/** The elements of one list of a change, in their order. */
export function elementsIn(change: WebhookChange, list: string, phoneNumberId: string): Element[] {
  let directory: Directory | undefined
  const people = () => {
    directory ??= directoryOf(change.value, list)
    return directory
  }
  const ownNumber = waIdOf(objectOf(change.value.metadata).display_phone_number)
  const common = { phoneNumberId, ownNumber, wabaId: change.entryId, people }
  return listOf(change.value[list])
    .filter(isObject)
    .map((item) => ({ ...common, item }))
}
