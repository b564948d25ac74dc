import { isObject, type JsonObject, listOf } from './json.ts'

/** The messages of one chunk of a number's history, each with its thread. */
export function messagesOfChunk(chunk: JsonObject): { thread: JsonObject; item: JsonObject }[] {
  const threads = listOf(chunk.threads).filter(isObject)
  return threads.flatMap((thread) =>
    listOf(thread.messages)
      .filter(isObject)
      .map((item) => ({ thread, item })),
  )
}
