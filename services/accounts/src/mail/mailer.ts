import { AppError, cleanTrimmed } from '@lockstep/contracts'
import { createTransport } from 'nodemailer'
import type { Config } from '../config.ts'

export interface Mail {
  /** The same at each attempt. */
  id: string
  recipient: string
  subject: string
  text: string
}

export interface Mailer {
  /** Where the links of mails lead. */
  publicUrl: string
  /** Answers why the mail server did not accept it, or nothing; throws only the signal's reason. */
  send(mail: Mail, signal: AbortSignal): Promise<string>
}

/** However slowly the mail server goes on, ms. */
const sendMs = 60_000
/** A mail server that is silent for so long is away, ms. */
const timeouts = { connectionTimeout: 10_000, greetingTimeout: 10_000, socketTimeout: 20_000 }
const longestError = 200

/** Null without a mail server; throws `invalid` when it alone is configured. */
export function openMailer({
  smtpUrl,
  mailFrom,
  publicUrl,
}: Pick<Config, 'smtpUrl' | 'mailFrom' | 'publicUrl'>): Mailer | null {
  if (!smtpUrl) return null
  if (!mailFrom || !publicUrl)
    throw new AppError(
      'invalid',
      'LOCKSTEP_MAIL_FROM and LOCKSTEP_PUBLIC_URL must be set where LOCKSTEP_SMTP_URL is',
    )
  const transport = createTransport({
    ...serverAt(new URL(smtpUrl)),
    ...timeouts,
    disableFileAccess: true,
    disableUrlAccess: true,
  })
  const domain = /@([\w.-]+)/.exec(mailFrom)![1]
  return {
    publicUrl,
    async send({ id, recipient, subject, text }, lease) {
      const signal = AbortSignal.any([lease, AbortSignal.timeout(sendMs)])
      // As an object it is one address, whatever stands in it.
      const to = { name: '', address: recipient }
      const messageId = `<${id}@${domain}>`
      const headers = { 'auto-submitted': 'auto-generated' }
      try {
        await transport.sendMail({ from: mailFrom, to, messageId, headers, subject, text, signal })
        return ''
      } catch (error) {
        lease.throwIfAborted()
        return cleanTrimmed((error as Error).message, longestError) || 'It could not be sent'
      }
    },
  }
}

/** Links are secrets: without TLS they go only where the operator says so. */
function serverAt(url: URL) {
  const secure = url.protocol === 'smtps:'
  const hasTls = url.searchParams.get('tls') !== 'none'
  const auth = url.username && {
    user: decodeURIComponent(url.username),
    pass: decodeURIComponent(url.password),
  }
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port) || (secure ? 465 : 587),
    secure,
    requireTLS: !secure && hasTls,
    ignoreTLS: !secure && !hasTls,
    ...(auth && { auth }),
  }
}
