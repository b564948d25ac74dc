import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { buffer } from 'node:stream/consumers'
import { SMTPServer, type SMTPServerOptions, type SMTPServerSession } from 'smtp-server'
import { certificateOf } from './certificates.ts'

/** A mail as the server accepted it. */
interface ReceivedMail {
  /** Of the envelope. */
  recipients: string[]
  /** As they came, by their names in lower case. */
  headers: Record<string, string>
  text: string
  encrypted: boolean
  /** Who has signed in to the server. */
  user: string | undefined
}

export interface MailServerOptions {
  /** Offers STARTTLS, with a certificate for 127.0.0.1 of the tests' authority. */
  tls?: boolean
  /** Takes mail from nobody else. */
  auth?: { user: string; password: string }
  /** Called with a mail that has come whole, before the server accepts it. */
  beforeAnswer?: (mail: ReceivedMail) => Promise<void>
}

/** An SMTP server that keeps what it gets. */
export interface MailServer extends AsyncDisposable {
  port: number
  /** As LOCKSTEP_SMTP_URL names it. */
  url: string
  mails: ReceivedMail[]
  /** Closes its port, and every connection. */
  stop(): Promise<void>
  /** Listens on the same port again. */
  restart(): Promise<void>
}

export async function startMailServer(options: MailServerOptions = {}): Promise<MailServer> {
  const mails: ReceivedMail[] = []
  const open = async (atPort = 0) => {
    const server = new SMTPServer(settingsOf(options, mails))
    const listening = server.listen(atPort, '127.0.0.1')
    await once(listening, 'listening')
    return { server, port: (listening.address() as { port: number }).port }
  }
  let { server, port } = await open()
  const stop = async () => {
    for (const connection of server.connections) connection.close()
    await new Promise<void>((closed) => server.close(() => closed()))
  }
  const credentials = options.auth ? `${options.auth.user}:${options.auth.password}@` : ''
  return {
    port,
    url: `smtp://${credentials}127.0.0.1:${port}${options.tls ? '' : '?tls=none'}`,
    mails,
    stop,
    async restart() {
      server = (await open(port)).server
    },
    [Symbol.asyncDispose]: stop,
  }
}

function settingsOf(
  { tls, auth, beforeAnswer }: MailServerOptions,
  mails: ReceivedMail[],
): SMTPServerOptions {
  const { cert, key } = certificateOf('accounts')
  return {
    ...(tls ? { cert: readFileSync(cert), key: readFileSync(key) } : {}),
    disabledCommands: [...(tls ? [] : ['STARTTLS']), ...(auth ? [] : ['AUTH'])],
    authOptional: !auth,
    closeTimeout: 1_000,
    onAuth({ username, password }, _session, done) {
      const isRight = username === auth?.user && password === auth?.password
      done(isRight ? null : new Error('Wrong user or password'), { user: username })
    },
    onData(stream, session, done) {
      const received = async () => {
        const mail = mailOf(await buffer(stream), session)
        await beforeAnswer?.(mail)
        mails.push(mail)
      }
      received().then(() => done(null), done)
    },
  }
}

function mailOf(raw: Buffer, { envelope, secure, user }: SMTPServerSession): ReceivedMail {
  const [head = '', ...body] = raw.toString().split('\r\n\r\n')
  const lines = head.replaceAll(/\r\n[ \t]+/g, ' ').split('\r\n')
  const headers = Object.fromEntries(
    lines.map((line) => [line.split(':')[0]!.toLowerCase(), line.replace(/^[^:]*: */, '')]),
  )
  const isQuoted = headers['content-transfer-encoding'] === 'quoted-printable'
  const text = body.join('\r\n\r\n')
  return {
    recipients: envelope.rcptTo.map(({ address }) => address),
    headers,
    text: isQuoted ? unquoted(text) : text,
    encrypted: secure,
    user,
  }
}

const unquoted = (text: string): string =>
  Buffer.from(
    text
      .replaceAll(/=\r\n/g, '')
      .replaceAll(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  ).toString()
