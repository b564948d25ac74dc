import { once } from 'node:events'
import { type Agent, type IncomingHttpHeaders, request } from 'node:http'
import type { Sent } from './requests.ts'

export interface Received {
  status: number
  headers: IncomingHttpHeaders
  body: string
}

/** However busy the machine is; one that takes longer hangs. */
const hangsMs = 30_000

/** Sends a request; null when its connection was ended instead of an answer. */
export async function send(
  url: string,
  agent: Agent,
  credentials: Record<string, string>,
  { method, target, headers, body, encoding, missingBytes }: Sent,
): Promise<Received | null> {
  const { hostname, port } = new URL(url)
  const bytes = body === undefined ? Buffer.alloc(0) : Buffer.from(body, encoding)
  const all = {
    ...credentials,
    ...headers,
    ...(body !== undefined && { 'content-length': bytes.length + missingBytes }),
  }
  const sending = request({ hostname, port, agent, method, path: latin1(target), headers: all })
  sending.setTimeout(hangsMs, () => sending.destroy(new Error(`${method} ${target} hangs`)))
  const answer = once(sending, 'response')
  if (missingBytes > 0) sending.write(bytes, () => sending.socket?.end())
  else sending.end(bytes)
  try {
    const [response] = await answer
    const pieces: Buffer[] = []
    for await (const piece of response) pieces.push(piece)
    const text = Buffer.concat(pieces).toString()
    return { status: response.statusCode, headers: response.headers, body: text }
  } catch (error) {
    if (missingBytes > 0 && !/hangs/.test(String(error))) return null
    throw error
  } finally {
    if (missingBytes > 0) sending.destroy()
  }
}

/** Bytes of UTF-8, as `http` writes them. */
const latin1 = (text: string) => Buffer.from(text).toString('latin1')
