type Chunks = Iterable<Uint8Array> | AsyncIterable<Uint8Array>

/** A body that is streamed. A function is called again for each try, and gives the whole anew. */
export type Upload = string | Uint8Array | Blob | (() => Chunks)

/** What `fetch` takes. */
export function bodyOf(upload: Upload): NonNullable<RequestInit['body']> {
  if (typeof upload === 'function') return ReadableStream.from(upload())
  return upload as NonNullable<RequestInit['body']>
}
