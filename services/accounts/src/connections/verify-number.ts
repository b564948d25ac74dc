import { AppError, failureOf } from '@lockstep/contracts'
import type { GraphAccess, GraphPhoneNumber } from '@lockstep/whatsapp'
import type { Context } from '../context.ts'

export interface NumberClaim {
  phoneNumberId: string
  wabaId: string
  token: string
  signal: AbortSignal | undefined
}

/**
 * Asks Meta for a number with the token, and whether the WABA has it: webhooks come by the WABA's
 * id, so a wrong one would keep them from their tenant.
 */
export async function verifyNumber(
  { graph }: Context,
  { phoneNumberId, wabaId, signal }: NumberClaim,
  access: GraphAccess,
): Promise<GraphPhoneNumber> {
  const how = { phoneNumberId, ...access, ...(signal && { signal }) }
  const [number, isOfWaba] = await Promise.all([
    graph.getPhoneNumber(how),
    graph.hasPhoneNumber({ wabaId, ...how }),
  ]).catch((error) => {
    throw refused(error, phoneNumberId)
  })
  if (isOfWaba) return number
  throw new AppError(
    'precondition',
    `Number ${phoneNumberId} is not in WhatsApp Business Account ${wabaId} at Meta; take the "waba_id" that Meta shows beside the number`,
  )
}

/**
 * Meta's refusal names no number: one that has several must see for which of them the token is no
 * good.
 */
function refused(error: unknown, phoneNumberId: string): unknown {
  if (!(error instanceof AppError) || failureOf(error) !== 'precondition') return error
  const { message, details } = error
  return new AppError(
    'precondition',
    `Meta does not let this token use the number ${phoneNumberId}: ${message}`,
    { details, cause: error },
  )
}
