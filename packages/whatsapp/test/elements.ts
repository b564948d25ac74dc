import { type WebhookElement, webhookElements } from '../src/index.ts'

type Parsed = Parameters<typeof webhookElements>[0]
type ElementOf<Kind> = Extract<WebhookElement, { kind: Kind; value: object }>

/** The elements of one kind in a body, as they were read. */
const valuesOf =
  <Kind extends WebhookElement['kind']>(kind: Kind) =>
  (parsed: Parsed) =>
    [...webhookElements(parsed)]
      .filter((element): element is ElementOf<Kind> => element.kind === kind)
      .map((element) => element.value as ElementOf<Kind>['value'])

export const threadMessages = valuesOf('message')
export const userPreferences = valuesOf('preference')
export const userIdUpdates = valuesOf('user_id_update')
export const appContacts = valuesOf('app_contact')

/** How many elements of a number's lane stand in a body, readable or not. */
export const countElements = (parsed: Parsed, phoneNumberId: string): number =>
  [...webhookElements(parsed)].filter((element) => element.phoneNumberId === phoneNumberId).length
