import { once } from 'node:events'
import {
  closeSync,
  createReadStream,
  fdatasync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  writeSync,
} from 'node:fs'
import { promisify } from 'node:util'
import { z } from 'zod'
import { faultKinds } from './settings.ts'

const head = { seq: z.int(), atMs: z.number() }

/** What one webhook carried: a status, an inbound message, or another event. */
const elementRef = z.union([
  z.object({ wamid: z.string(), status: z.string(), phoneNumberId: z.string() }),
  z.object({ messageId: z.string(), phoneNumberId: z.string() }),
  z.object({ eventId: z.string(), field: z.string() }),
])
export type ElementRef = z.infer<typeof elementRef>

/** A POST to `/{phone-number-id}/messages` and what became of it. `atMs` is its arrival; written before the answer. */
const postLine = z.object({
  ...head,
  kind: z.literal('post'),
  phoneNumberId: z.string(),
  /** As it came in `to` or `recipient`. */
  input: z.string().optional(),
  /** The wa_id or business-scoped user id it stands for. */
  recipient: z.string().optional(),
  type: z.string().optional(),
  callback: z.string().optional(),
  template: z
    .object({ name: z.string(), language: z.string(), category: z.string().optional() })
    .optional(),
  /** `lost`: the connection was reset and nothing was accepted. */
  outcome: z.enum(['accepted', 'rejected', 'lost']),
  wamid: z.string().optional(),
  /** How many messages this number has had accepted for this recipient, with this one. */
  nth: z.int().optional(),
  /** How many well-formed POSTs this number has made for this recipient, with this one. */
  nthPost: z.int().optional(),
  code: z.int().optional(),
  httpStatus: z.int().optional(),
  /** How the answer went out: `sent` as decided, or spoilt by a fault. */
  answer: z.enum(['sent', ...faultKinds]),
})

/** One attempt to deliver one webhook, written when its answer is known. `httpStatus` 0 means that there was none. */
const deliveryLine = z.object({
  ...head,
  kind: z.literal('delivery'),
  id: z.string(),
  appId: z.string(),
  attempt: z.int(),
  startedAtMs: z.number(),
  httpStatus: z.int(),
  error: z.string().optional(),
  elements: z.array(elementRef),
})

const inboundLine = z.object({
  ...head,
  kind: z.literal('inbound'),
  phoneNumberId: z.string(),
  from: z.string(),
  messageId: z.string(),
  message: z.record(z.string(), z.unknown()),
  name: z.string().optional(),
  username: z.string().optional(),
})
const eventLine = z.object({
  ...head,
  kind: z.literal('event'),
  id: z.string(),
  wabaId: z.string(),
  field: z.string(),
  value: z.record(z.string(), z.unknown()),
})
/** A GET of a page of a WABA's templates, whatever is answered. `atMs` is its arrival; written before the answer. */
const templateListLine = z.object({ ...head, kind: z.literal('template-list'), wabaId: z.string() })
const receiptLine = z.object({
  ...head,
  kind: z.literal('receipt'),
  phoneNumberId: z.string(),
  messageId: z.string(),
})
const stateLine = z.object({
  ...head,
  kind: z.literal('state'),
  patch: z.record(z.string(), z.unknown()),
})
const settingsLine = z.object({
  ...head,
  kind: z.literal('settings'),
  patch: z.record(z.string(), z.unknown()),
})
/** The seed is there if this start named one. */
const startLine = z.object({ ...head, kind: z.literal('start'), seed: z.int().optional() })
const resetLine = z.object({ ...head, kind: z.literal('reset'), forgetState: z.boolean() })

/** A line of the ground truth log. */
const logLine = z.discriminatedUnion('kind', [
  postLine,
  deliveryLine,
  inboundLine,
  eventLine,
  receiptLine,
  templateListLine,
  stateLine,
  settingsLine,
  startLine,
  resetLine,
])
export type LogLine = z.infer<typeof logLine>
export type PostLine = z.infer<typeof postLine>
type Unnumbered<T> = T extends LogLine ? Omit<T, 'seq'> : never

/** The append-only ground truth. */
export interface GroundTruth extends AsyncDisposable {
  readonly path: string
  /** Sequence number of the newest line. */
  readonly seq: number
  /** Appends a line; resolves when it is in the file together with all other lines of the same iteration of the event loop. */
  append(line: Unnumbered<LogLine>): Promise<void>
  /** Resolves when all that was appended is in the file. */
  flushed(): Promise<void>
}

/** Opens the log for appending behind line `seq`. With `fsync` a line counts as written only when the disk has it. */
export function openLog(
  path: string,
  options: { seq: number; fsync: boolean; onLine(line: LogLine): void },
): GroundTruth {
  const fd = openSync(path, 'a', 0o600)
  const writer = createGroupWriter(fd, options.fsync)
  let seq = options.seq
  return {
    path,
    get seq() {
      return seq
    },
    append(line) {
      const numbered = { seq: ++seq, ...line } as LogLine
      const written = writer.write(`${JSON.stringify(numbered)}\n`)
      options.onLine(numbered)
      return written
    },
    flushed: writer.flushed,
    async [Symbol.asyncDispose]() {
      await writer.flushed()
      closeSync(fd)
    },
  }
}

/** Writes all texts of one turn of the event loop at once. */
function createGroupWriter(fd: number, fsync: boolean) {
  const sync = promisify(fdatasync)
  let texts: string[] = []
  let group = Promise.withResolvers<void>()
  let newest: Promise<void> = Promise.resolve()
  let busy = false

  async function commit(): Promise<void> {
    while (texts.length > 0) {
      const [text, done] = [texts.join(''), group]
      texts = []
      group = Promise.withResolvers<void>()
      try {
        writeAll(fd, text)
        if (fsync) await sync(fd)
        done.resolve()
      } catch (error) {
        done.reject(error)
      }
    }
    busy = false
  }

  return {
    write(text: string): Promise<void> {
      texts.push(text)
      if (!busy) {
        busy = true
        setImmediate(commit)
      }
      newest = group.promise
      return newest
    },
    flushed: () => newest,
  }
}

function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at)
}

/** Cuts off a last line without an end: its request was never answered, and the next line must not be glued to it. */
export function cutTornLine(path: string): void {
  const fd = openSync(path, 'a+', 0o600)
  try {
    const chunk = Buffer.alloc(64 * 1024)
    let end = fstatSync(fd).size
    while (end > 0) {
      const from = Math.max(0, end - chunk.length)
      const read = readSync(fd, chunk, 0, end - from, from)
      const newline = chunk.subarray(0, read).lastIndexOf(10)
      if (newline >= 0) {
        end = from + newline + 1
        break
      }
      end = from
    }
    ftruncateSync(fd, end)
  } finally {
    closeSync(fd)
  }
}

/** The raw lines of a log file, a chunk at a time; a torn last line is left out. Nothing if there is no file. */
export async function* readChunks(path: string): AsyncGenerator<string[]> {
  const stream = createReadStream(path, { encoding: 'utf8', highWaterMark: 256 * 1024 })
  try {
    await once(stream, 'open')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  let rest = ''
  for await (const chunk of stream) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop()!
    if (lines.length > 0) yield lines
  }
}

/** Reads a ground truth log, also while the simulator writes it. A damaged line in the middle is an error that names it. */
export async function* readLog(path: string): AsyncGenerator<LogLine> {
  let number = 0
  for await (const lines of readChunks(path)) {
    for (const line of lines) {
      number++
      try {
        yield logLine.parse(JSON.parse(line))
      } catch (cause) {
        throw new Error(
          `${path}, line ${number} is not a log line of the simulator; was the file edited?`,
          { cause },
        )
      }
    }
  }
}
