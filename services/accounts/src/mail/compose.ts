import { linkTo } from '@lockstep/contracts'
import type { WaitingMail } from '../db/mails.ts'
import type { Mail } from './mailer.ts'

type Content = Pick<WaitingMail, 'id' | 'accountName' | 'isInvitation' | 'recipient' | 'expiresAt'>

/** The mail with a link, as its reader sees it. */
export function composeMail(
  { id, accountName, isInvitation, recipient, expiresAt }: Content,
  publicUrl: string,
  token: string,
): Mail {
  const name = oneLine(accountName)
  const until = `${expiresAt.toISOString().slice(0, 16).replace('T', ' ')} UTC`
  const link = linkTo(publicUrl, isInvitation ? 'invitation' : 'password-reset', token)
  const [subject, about] = isInvitation
    ? [`Invitation to ${name}`, `You are invited to ${name} on Lockstep. To join, open this link:`]
    : ['Your password for Lockstep', 'To choose another password for Lockstep, open this link:']
  const lines = [
    about,
    link,
    `It is good once, and until ${until}. Who has it can use it: keep it to yourself.`,
    'If you did not expect this mail, you need not do anything.',
  ]
  return { id, recipient, subject, text: `${lines.join('\n\n')}\n` }
}

/** What others wrote begins no line of its own. */
const oneLine = (text: string): string => text.replaceAll(/[\p{Cc}\u2028\u2029]+/gu, ' ').trim()
