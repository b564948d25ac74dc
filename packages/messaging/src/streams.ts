import { AppError, type StreamName, type StreamRow, streams } from '@lockstep/contracts'
import {
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from '@nats-io/jetstream'
import { nanos } from '@nats-io/nats-core'

/** Codes of nats-server (server/errors.json) that the client has no name for. */
export const serverCodes = { streamNameExists: 10058, maximumConsumers: 10026, storeFailed: 10077 }

/** Of one partition: the doorbell that its worker holds, and one that waits. */
const maxBells = 2

/** Creates or updates every stream of the table; `precondition` when the server refuses one for good. */
export async function ensureStreams(jsm: JetStreamManager, replicas: number): Promise<void> {
  for (const [name, row] of Object.entries(streams))
    await ensureStream(jsm, streamConfig(name as StreamName, row, replicas))
}

async function ensureStream(jsm: JetStreamManager, config: StreamConfig): Promise<void> {
  try {
    await jsm.streams.add(config).catch((err) => {
      if (codeOf(err) !== serverCodes.streamNameExists) throw err
      return jsm.streams.update(config.name, config)
    })
  } catch (err) {
    if (!(err instanceof JetStreamApiError) || err.status >= 503) throw err
    throw new AppError(
      'precondition',
      `NATS refuses stream ${config.name}: ${err.message}; compare it with the table in contracts`,
      {
        cause: err,
      },
    )
  }
}

function streamConfig(name: StreamName, row: StreamRow, replicas: number): StreamConfig {
  const isQueue = row.retention === 'workqueue'
  return {
    name,
    subjects: row.subjects,
    retention: isQueue ? RetentionPolicy.Workqueue : RetentionPolicy.Limits,
    discard: isQueue ? DiscardPolicy.New : DiscardPolicy.Old,
    storage: StorageType.File,
    max_age: nanos(row.maxAgeMs),
    max_consumers: row.maxConsumers,
    // Said although it is the default: an update leaves alone what it doesn't name, and a full queue refuses doorbells.
    max_msgs: -1,
    max_bytes: -1,
    // A doorbell that is refused because one waits already says nothing new. (Discarding the old one would take the doorbell
    // that a worker holds, and the server would give the partition to a second worker at once.)
    max_msgs_per_subject: isQueue ? maxBells : -1,
    ...(isQueue && { discard_new_per_subject: true }),
    num_replicas: replicas,
  } as StreamConfig
}

/** What the server's answer to a doorbell says: it is stored, or one waits already, or it could not be stored and why. */
export function bellAnswer(payload: string): 'stored' | 'waiting' | { error: string } {
  const { error } = JSON.parse(payload) as { error?: { err_code?: number; description?: string } }
  if (!error) return 'stored'
  if (error.err_code === serverCodes.storeFailed && /per subject/.test(error.description ?? ''))
    return 'waiting'
  return { error: error.description ?? 'refused' }
}

/** True when trying the same again is of no use. */
export const isRefused = (error: unknown): boolean => error instanceof AppError

/** The server's code for an error of JetStream. */
export function codeOf(error: unknown): number | undefined {
  return error instanceof JetStreamApiError ? error.code : undefined
}
