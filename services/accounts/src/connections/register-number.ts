import { AppError } from '@lockstep/contracts'
import type { GraphAccess, GraphPhoneNumber } from '@lockstep/whatsapp'
import type { Context } from '../context.ts'
import { refuse } from './verify-access.ts'

/** States of a number that can't send before it is registered for the Cloud API. */
const unregistered = new Set(['PENDING', 'DISCONNECTED', 'UNVERIFIED', 'MIGRATED'])

/** Empty, or 6 digits; throws `invalid`. */
export function requirePin(pin: string): string {
  if (pin === '' || /^\d{6}$/.test(pin)) return pin
  throw new AppError('invalid', '"pin" must be the 6 digits of the number\'s two-step verification')
}

/** Registers a number that Meta has not connected yet. */
export async function registerIfNeeded(
  { graph }: Context,
  { id, status }: GraphPhoneNumber,
  { pin, signal, ...access }: GraphAccess & { pin: string; signal: AbortSignal | undefined },
): Promise<void> {
  if (!unregistered.has(status)) return
  if (pin === '')
    throw new AppError(
      'precondition',
      `The number ${id} is ${status} at Meta: send the request again, with the same code and with "pin", the 6 digits of its two-step verification, or any 6 digits when it has none yet`,
    )
  await graph
    .registerNumber({ phoneNumberId: id, ...access, pin, ...(signal && { signal }) })
    .catch((error) => refuse(error, `Meta does not register the number ${id} with this PIN`))
}
