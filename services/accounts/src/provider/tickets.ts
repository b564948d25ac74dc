import { AppError, secretPlaces } from '@lockstep/contracts'
import type { Context } from '../context.ts'
import type { ProviderCheck } from './provider.ts'

/** What a browser keeps for us between two steps of signing in, sealed. */
interface Tickets {
  provider: ProviderCheck & { accountId: string }
  code: { personId: string; accountId: string }
}

interface Ticket {
  ticket: string
  endsAtMs: number
}

export function sealTicket<Step extends keyof Tickets>(
  { secrets, now, times }: Pick<Context, 'secrets' | 'now' | 'times'>,
  step: Step,
  value: Tickets[Step],
): Ticket {
  const endsAtMs = Math.round(now() + times.signInTicketMs)
  const text = JSON.stringify({ value, endsAtMs })
  const ticket = secrets.seal(text, secretPlaces.signInTicket(step)).toString('base64url')
  return { ticket, endsAtMs }
}

/** Throws `precondition` for one that is none, of another step, or over. */
export function openTicket<Step extends keyof Tickets>(
  ctx: Pick<Context, 'secrets' | 'now'>,
  step: Step,
  ticket: string,
): Tickets[Step] {
  const opened = contentOf(ctx, step, ticket)
  if (opened && opened.endsAtMs > ctx.now()) return opened.value as Tickets[Step]
  throw new AppError('precondition', 'Signing in was begun too long ago, or elsewhere; begin again')
}

function contentOf(
  { secrets }: Pick<Context, 'secrets'>,
  step: keyof Tickets,
  ticket: string,
): { value: unknown; endsAtMs: number } | undefined {
  try {
    return JSON.parse(
      secrets.open(Buffer.from(ticket, 'base64url'), secretPlaces.signInTicket(step)),
    )
  } catch {
    return undefined
  }
}
