import { AppError, type EventTopic, eventTopics, mayDo } from '@lockstep/contracts'
import type { Caller } from './authenticator.ts'

export const allTopics = Object.keys(eventTopics) as EventTopic[]

/** The topics of what the caller may look at. Throws `forbidden` for another that is named. */
export function readableTopics({ rights }: Caller, asked?: readonly EventTopic[]): EventTopic[] {
  const refused = asked?.find((topic) => !mayDo(rights, eventTopics[topic].right))
  if (refused)
    throw new AppError(
      'forbidden',
      `The topic "${refused}" asks for the right "${eventTopics[refused].right}", which you have not`,
    )
  return [...(asked ?? allTopics.filter((topic) => mayDo(rights, eventTopics[topic].right)))]
}
