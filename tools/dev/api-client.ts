/** Lockstep's public API, as a customer calls it. Rejects with the API's own words. */
export interface ApiClient {
  get<T>(path: string): Promise<T>
  post<T>(path: string, body?: unknown): Promise<T>
  put<T>(path: string, body: unknown): Promise<T>
  /** Streams a CSV. */
  upload<T>(path: string, csv: Iterable<string>): Promise<T>
}

export function createApiClient(url: string, apiKey: string): ApiClient {
  async function call<T>(
    method: string,
    path: string,
    body?: string | ReadableStream,
    type = 'application/json',
  ): Promise<T> {
    const headers: Record<string, string> = { authorization: `Bearer ${apiKey}` }
    if (body !== undefined) headers['content-type'] = type
    const answer = await fetch(url + path, { method, headers, body, duplex: 'half' } as RequestInit)
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${method} ${path}: ${JSON.parse(text).detail ?? text}`)
    return JSON.parse(text) as T
  }
  const json = (body: unknown) => (body === undefined ? undefined : JSON.stringify(body))
  return {
    get: (path) => call('GET', path),
    post: (path, body) => call('POST', path, json(body)),
    put: (path, body) => call('PUT', path, json(body)),
    upload: (path, csv) => call('POST', path, ReadableStream.from(encoded(csv)), 'text/csv'),
  }
}

function* encoded(lines: Iterable<string>): Iterable<Uint8Array> {
  const encoder = new TextEncoder()
  for (const line of lines) yield encoder.encode(line)
}
