import {
  type DestinationStream,
  destination,
  type Logger as PinoLogger,
  pino,
  stdTimeFunctions,
} from 'pino'

/** `log.info({ campaignId }, 'campaign finished')`; an error goes under `err`. */
export type Logger = PinoLogger

export interface LoggerOptions {
  service: string
  level?: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent'
  /** One human line per entry instead of JSON; by default on a terminal. */
  pretty?: boolean
  /** Where lines go; default standard error, so that standard output stays free for `--json`. */
  to?: DestinationStream
}

const secretKeys = [
  ...['token', 'accessToken', 'access_token', 'verifyToken', 'verify_token', 'sealedToken'],
  ...[
    'secret',
    'appSecret',
    'app_secret',
    'sealedSecret',
    'sealedAppSecret',
    'password',
    'authorization',
  ],
  ...['apiKey', 'api_key', 'encryptionKey', 'platformKey'],
]
const redactedPaths = secretKeys.flatMap((key) => [key, `*.${key}`, `*.*.${key}`])

/** Values under a secret's name are replaced down to the third level. */
export function createLogger({
  service,
  level = 'info',
  pretty = true,
  to,
}: LoggerOptions): Logger {
  const out =
    to ??
    (pretty && process.stderr.isTTY
      ? { write: (line) => process.stderr.write(humanLine(line)) }
      : destination({ dest: 2 }))
  return pino(
    {
      level,
      base: { service },
      timestamp: stdTimeFunctions.isoTime,
      redact: { paths: redactedPaths, censor: '[redacted]' },
    },
    out as DestinationStream,
  )
}

/** Turns one JSON log line into one calm line for a person: time, service, message, facts. */
export function humanLine(json: string): string {
  const { level, time, service, msg, err, ...facts } = JSON.parse(json) as Record<string, unknown>
  const mark = Number(level) >= 50 ? 'error: ' : Number(level) >= 40 ? 'warning: ' : ''
  const pairs = Object.entries(facts).map(([name, value]) => `${name}=${plain(value)}`)
  if (err) pairs.push(`(${plain((err as { message?: unknown }).message ?? err)})`)
  return `${[new Date(String(time)).toLocaleTimeString('en-GB'), String(service).padEnd(15), mark + plain(msg ?? ''), ...pairs].join('  ')}\n`
}

/** Text from outside can hold line breaks and terminal codes; neither may reach the terminal. */
function plain(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: removing them is the point
  return text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ')
}
