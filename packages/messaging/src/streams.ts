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

/** Of one partition: the wake-up that its worker holds, and one that waits. */
const maxStoredWakeUps = 2

/** Throws `precondition` when the server refuses a stream for good. */
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
    // Said although it is the default: an update leaves alone what it doesn't name, and a full
    // queue refuses wake-ups.
    max_msgs: -1,
    max_bytes: -1,
    // Refusing the new wake-up loses nothing; discarding the old one would give its partition to a
    // second worker.
    max_msgs_per_subject: isQueue ? maxStoredWakeUps : -1,
    ...(isQueue && { discard_new_per_subject: true }),
    num_replicas: replicas,
  } as StreamConfig
}

/** `waiting`: the partition has a stored wake-up already. */
export function wakeUpAck(payload: string): 'stored' | 'waiting' | { error: string } {
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
