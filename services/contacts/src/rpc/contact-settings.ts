import type { Method } from '@lockstep/rpc'
import type { ContactSettings, GetContactSettingsRequest } from '@lockstep/rpc/gen/contacts'
import type { Context } from '../context.ts'
import { contactSettings, writeContactSettings } from '../db/contact-settings.ts'
import { readTimeZone } from '../fields/contact-fields.ts'
import { readCountry } from '../imports/country.ts'

export const getContactSettings: Method<Context, GetContactSettingsRequest, ContactSettings> = (
  ctx,
  _request,
  call,
) => ctx.db.transaction(call.accountId, contactSettings)

/** Holds for imports that are created from then on. */
export const setContactSettings: Method<Context, ContactSettings, ContactSettings> = (
  ctx,
  request,
  call,
) => {
  const defaultCountry = readCountry(request.defaultCountry)
  const timeZone = readTimeZone(request.timeZone)
  return ctx.db.transaction(call.accountId, async (tx) => {
    const before = await contactSettings(tx)
    await writeContactSettings(tx, { defaultCountry, timeZone: timeZone || before.timeZone })
    return contactSettings(tx)
  })
}
