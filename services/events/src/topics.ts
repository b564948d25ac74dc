import { AppError, type EventTopic, eventTopics } from '@lockstep/contracts'

/** Names of topics, each once. Throws `invalid` for another name. */
export function requireTopics(names: readonly string[]): EventTopic[] {
  for (const name of names)
    if (!Object.hasOwn(eventTopics, name))
      throw new AppError('invalid', `There is no topic "${name.slice(0, 64)}"`)
  return [...new Set(names)] as EventTopic[]
}
